/** The numbers in a JSON value, which charts are drawn of. */

/** Where a number stands in a value: the keys on the way to it, joined by points; empty for the value itself. */
export type Field = string;

/** In place of a field: how many bytes the value has. */
export const SIZE: Field = "#size";

/** Past these, a value is not looked into. */
const MAX_FIELDS = 24;
const MAX_DEPTH = 4;

/** Fields that say when or which rather than how much, by the last word of their name. */
const LABELS = /(^|\.)(t|e|u|id|ts|time|timestamp|seq|sequence|version|updateId|tripId|routeId|squawk|icao24)$/i;
/** Fields that people look for first. */
const TELLING = [
  /(^|\.)(price|last|mid|bid|value)$/i,
  /(^|\.)[bc]$/,
  /(^|\.)(speed|groundspeed|altitude|temperature|latitude)$/i,
];

/** The fields of a value that are numbers, or text that is one, in their order. */
export function numericFields(value: unknown): Field[] {
  const fields: Field[] = [];
  collect(value, "", 0, fields);
  return fields;
}

/** The number at a field, if there is one. */
export function numberAt(value: unknown, field: Field): number | undefined {
  let found = value;
  if (field !== "") {
    for (const key of field.split(".")) {
      if (typeof found !== "object" || found === null) return undefined;
      found = (found as Record<string, unknown>)[key];
    }
  }
  return toNumber(found);
}

/** The field to draw unless somebody chose another. */
export function mainField(value: unknown): Field | undefined {
  const fields = numericFields(value);
  const telling = TELLING.map((pattern) => fields.find((field) => pattern.test(field))).find((field) => field !== undefined);
  return telling ?? fields.find((field) => !LABELS.test(field)) ?? fields[0];
}

function collect(value: unknown, path: string, depth: number, fields: Field[]): void {
  if (fields.length >= MAX_FIELDS) return;
  if (toNumber(value) !== undefined) {
    fields.push(path);
  } else if (typeof value === "object" && value !== null && depth < MAX_DEPTH) {
    // Of a long list the beginning tells enough, such as the best price.
    const entries = Array.isArray(value) && value.length > 8 ? [["0", value[0] as unknown] as const] : Object.entries(value);
    for (const [key, inner] of entries) {
      if (!key.includes(".")) collect(inner, path === "" ? key : `${path}.${key}`, depth + 1, fields);
    }
  }
}

function toNumber(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "string" || value.length === 0 || value.length > 24 || !/^[-+]?[\d.]/.test(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}
