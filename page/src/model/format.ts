/** Amounts, as people read them. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytes(amount: number): string {
  let unit = 0;
  let rest = amount;
  while (rest >= 999.5 && unit + 1 < UNITS.length) {
    rest /= 1000;
    unit++;
  }
  return `${rest.toFixed(unit > 0 && rest < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

export function count(amount: number): string {
  return Math.round(amount).toLocaleString("en");
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A round trip: small ones with a digit more. */
export function roundTrip(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** A number out of a value, as short as it stays telling. */
export function quantity(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size < 1) return value.toLocaleString("en", { maximumSignificantDigits: 5, maximumFractionDigits: 10 });
  return value.toLocaleString("en", { maximumFractionDigits: size >= 1000 ? 2 : 4 });
}
