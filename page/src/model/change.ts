/** What has changed between two values, as it is shown: the text around the change, and the change itself. */
export interface Change {
  readonly before: string;
  readonly changed: string;
  readonly after: string;
}

const decoder = new TextDecoder();

/**
 * The part of `bytes` to show in about `room` characters: its beginning, or what lies around the first byte that differs
 * from `old` if that is further in.
 */
export function describeChange(bytes: Uint8Array, old: Uint8Array | undefined, room: number): Change {
  if (old === undefined) return { before: text(bytes, 0, room), changed: "", after: "" };
  let start = 0;
  const shorter = Math.min(bytes.length, old.length);
  while (start < shorter && bytes[start] === old[start]) start++;
  let tail = 0;
  while (tail < shorter - start && bytes[bytes.length - 1 - tail] === old[old.length - 1 - tail]) tail++;
  let end = bytes.length - tail;
  // Characters are not taken apart.
  while (start > 0 && isContinuation(bytes[start])) start--;
  while (end < bytes.length && isContinuation(bytes[end])) end++;

  let from = 0;
  if (start > room * 0.7) from = start - Math.floor(room * 0.3);
  while (from < start && isContinuation(bytes[from])) from++;
  const until = from + room;
  return {
    before: (from > 0 ? "…" : "") + text(bytes, from, Math.min(start, until)),
    changed: text(bytes, start, Math.min(end, until)),
    after: text(bytes, Math.max(start, end), until),
  };
}

function text(bytes: Uint8Array, from: number, until: number): string {
  if (until <= from) return "";
  let end = Math.min(until, bytes.length);
  while (end < bytes.length && end > from && isContinuation(bytes[end])) end--;
  return decoder.decode(bytes.subarray(from, end)).replace(/\s+/g, " ");
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
