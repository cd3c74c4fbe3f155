/** The last samples of a number over time, in a ring. */
export class Series {
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  #next = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(time: number, value: number): void {
    this.#times[this.#next] = time;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#times.length;
    this.#length = Math.min(this.#length + 1, this.#times.length);
  }

  clear(): void {
    this.#next = 0;
    this.#length = 0;
  }

  /** The sample `index` of those kept, the oldest first. */
  time(index: number): number {
    return this.#times[this.#place(index)] ?? Number.NaN;
  }

  value(index: number): number {
    return this.#values[this.#place(index)] ?? Number.NaN;
  }

  /** All times and values, the oldest first. */
  columns(): [number[], number[]] {
    const times: number[] = [];
    const values: number[] = [];
    for (let index = 0; index < this.#length; index++) {
      times.push(this.time(index));
      values.push(this.value(index));
    }
    return [times, values];
  }

  #place(index: number): number {
    const capacity = this.#times.length;
    return (this.#next - this.#length + index + capacity) % capacity;
  }
}
