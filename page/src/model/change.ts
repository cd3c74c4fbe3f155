/** A piece of a value as it is shown. */
export interface Piece {
  readonly text: string;
  readonly isChanged: boolean;
}

/** Longer values are not taken apart into words: their change is what lies between the first and the last difference. */
const MAX_WORDY = 4_096;

const decoder = new TextDecoder();

/**
 * The part of `bytes` to show in about `room` characters, with what differs from `old` marked: its beginning, or what lies
 * around the first difference if that is further in.
 */
export function describeChange(bytes: Uint8Array, old: Uint8Array | undefined, room: number): Piece[] {
  if (old === undefined) return [{ text: text(bytes, 0, room), isChanged: false }];
  if (bytes.length <= MAX_WORDY && old.length <= MAX_WORDY) {
    const pieces = wordwise(decoder.decode(bytes), decoder.decode(old), room);
    if (pieces !== undefined) return pieces;
  }
  const [start, end] = difference(bytes, old);
  let from = start === bytes.length && start === old.length ? 0 : windowStart(start, room);
  while (from < start && isContinuation(bytes[from])) from++;
  const until = from + room;
  const pieces = [
    { text: from > 0 ? "…" : "", isChanged: false },
    { text: text(bytes, from, Math.min(start, until)), isChanged: false },
    { text: text(bytes, start, Math.min(end, until)), isChanged: true },
    { text: text(bytes, Math.max(start, end), until), isChanged: false },
  ];
  return pieces.filter((piece) => piece.text !== "");
}

/** Where to begin, so that what starts at `start` is in view, with something before it. */
function windowStart(start: number, room: number): number {
  return start > room * 0.6 ? start - Math.floor(room * 0.3) : 0;
}

/** Where the first difference is, and where the last one ends, with no character taken apart. */
function difference(bytes: Uint8Array, old: Uint8Array): [number, number] {
  const shorter = Math.min(bytes.length, old.length);
  let start = 0;
  while (start < shorter && bytes[start] === old[start]) start++;
  let tail = 0;
  while (tail < shorter - start && bytes[bytes.length - 1 - tail] === old[old.length - 1 - tail]) tail++;
  let end = bytes.length - tail;
  while (start > 0 && isContinuation(bytes[start])) start--;
  while (end < bytes.length && isContinuation(bytes[end])) end++;
  return [start, end];
}

/** Word by word, if there are as many as before: as in JSON whose numbers have changed. */
function wordwise(value: string, old: string, room: number): Piece[] | undefined {
  const words = split(value);
  const before = split(old);
  if (words.length !== before.length) return undefined;
  const first = words.findIndex((word, index) => word !== before[index]);
  const from = windowStart(words.slice(0, Math.max(0, first)).join("").length, room);
  const pieces: Piece[] = from > 0 ? [{ text: "…", isChanged: false }] : [];
  let at = 0;
  words.forEach((word, index) => {
    const shown = word.slice(Math.max(0, from - at), Math.max(0, from + room - at)).replace(/\s+/g, " ");
    at += word.length;
    if (shown === "") return;
    const isChanged = word !== before[index];
    const last = pieces.at(-1);
    if (last?.isChanged === isChanged) pieces[pieces.length - 1] = { text: last.text + shown, isChanged };
    else pieces.push({ text: shown, isChanged });
  });
  return pieces;
}

/** Words, and what stands between them. */
function split(value: string): string[] {
  return value.match(/[\p{L}\p{N}_.+-]+|[^\p{L}\p{N}_.+-]+/gu) ?? [];
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
