/** A line of a list: an element that shows one item after the other. */
export interface Line<T> {
  readonly element: HTMLElement;
  /** Shows another item. */
  show(item: T, index: number): void;
  /** Its item has another place in the list now. */
  move(index: number): void;
  /** A frame: shows what has changed of the item. */
  frame(now: number): void;
}

/** The order of elements is put right when a list has not moved for so long, in milliseconds. */
const STILL = 200;

/** Moves an element among its siblings; where the browser can, without its animations starting again. */
function move(parent: HTMLElement, element: HTMLElement, before: ChildNode | null): void {
  const canMove: boolean = "moveBefore" in parent;
  if (canMove) parent.moveBefore(element, before);
  else parent.insertBefore(element, before);
}

/**
 * A list of any length that has elements for the lines in view alone. Elements are used again as the list scrolls.
 */
export class VirtualList<T> {
  readonly #scroller: HTMLElement;
  readonly #canvas: HTMLElement;
  readonly #make: () => Line<T>;
  readonly #height: () => number;
  #items: readonly T[] = [];
  #lines: { line: Line<T>; item: T | undefined; index: number }[] = [];
  #isStale = true;
  #resize: ResizeObserver;
  #laidOutAt: number | undefined;

  constructor(scroller: HTMLElement, canvas: HTMLElement, height: () => number, make: () => Line<T>) {
    this.#scroller = scroller;
    this.#canvas = canvas;
    this.#height = height;
    this.#make = make;
    this.#resize = new ResizeObserver(() => this.invalidate());
    this.#resize.observe(scroller);
    scroller.addEventListener("scroll", this.#onScroll, { passive: true });
  }

  dispose(): void {
    this.#resize.disconnect();
    this.#scroller.removeEventListener("scroll", this.#onScroll);
    this.#canvas.replaceChildren();
    this.#lines = [];
  }

  set items(items: readonly T[]) {
    this.#items = items;
    this.invalidate();
  }

  get items(): readonly T[] {
    return this.#items;
  }

  /** Lines are laid out anew in the next frame. */
  invalidate(): void {
    this.#isStale = true;
  }

  /** Shows every line in view again, though its item is the same. */
  refresh(): void {
    for (const slot of this.#lines) slot.item = undefined;
    this.invalidate();
  }

  /** How many lines fit. */
  get page(): number {
    return Math.max(1, Math.floor(this.#scroller.clientHeight / this.#height()) - 1);
  }

  scrollTo(index: number): void {
    const height = this.#height();
    const { scrollTop, clientHeight } = this.#scroller;
    if (index * height < scrollTop) this.#scroller.scrollTop = index * height;
    else if ((index + 1) * height > scrollTop + clientHeight) this.#scroller.scrollTop = (index + 1) * height - clientHeight;
    this.invalidate();
  }

  frame(now: number): void {
    if (this.#isStale) {
      this.#layOut();
      this.#laidOutAt = now;
    } else if (this.#laidOutAt !== undefined && now - this.#laidOutAt > STILL) {
      this.#tidy();
      this.#laidOutAt = undefined;
    }
    for (const { line, item } of this.#lines) if (item !== undefined) line.frame(now);
  }

  /** Puts elements into the order of their lines, which is the order they are read out in. */
  #tidy(): void {
    const lines = this.#lines.filter((slot) => slot.item !== undefined).sort((left, right) => left.index - right.index);
    let before: ChildNode | null = this.#canvas.firstChild;
    for (const { line } of lines) {
      if (line.element === before) before = before.nextSibling;
      else move(this.#canvas, line.element, before);
    }
  }

  readonly #onScroll = (): void => this.invalidate();

  #layOut(): void {
    this.#isStale = false;
    const height = this.#height();
    this.#canvas.style.height = `${this.#items.length * height}px`;
    const { scrollTop, clientHeight } = this.#scroller;
    const overscan = 2;
    const first = Math.max(0, Math.floor(scrollTop / height) - overscan);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / height) + overscan);

    // An item that stays in view keeps its element, so that nothing of it is drawn again.
    const wanted = new Map<T, number>();
    for (let index = first; index < last; index++) wanted.set(this.#items[index] as T, index);
    const free = this.#lines.filter((slot) => slot.item === undefined || !wanted.has(slot.item));
    for (const slot of this.#lines) {
      const index = slot.item === undefined ? undefined : wanted.get(slot.item);
      if (index === undefined) continue;
      wanted.delete(slot.item as T);
      if (index !== slot.index) this.#place(slot, slot.item as T, index, height, false);
    }
    for (const [item, index] of wanted) {
      let slot = free.pop();
      if (slot === undefined) {
        slot = { line: this.#make(), item: undefined, index: -1 };
        this.#canvas.append(slot.line.element);
        this.#lines.push(slot);
      }
      this.#place(slot, item, index, height, true);
    }
    for (const slot of free) {
      slot.item = undefined;
      slot.index = -1;
      slot.line.element.hidden = true;
    }
  }

  #place(
    slot: { line: Line<T>; item: T | undefined; index: number },
    item: T,
    index: number,
    height: number,
    isNew: boolean,
  ): void {
    const { line } = slot;
    line.element.hidden = false;
    line.element.style.transform = `translateY(${index * height}px)`;
    slot.index = index;
    slot.item = item;
    if (isNew) line.show(item, index);
    else line.move(index);
  }
}
