import { useEffect, useRef } from "preact/hooks";
import { count } from "../model/format";
import type { Branch, TreeLine } from "../model/tree";
import { onFrame } from "./frames";
import { VirtualList, type Line } from "./virtual-list";

interface Properties {
  readonly lines: readonly TreeLine[];
  /** The path of the branch or topic that is chosen. */
  readonly chosen: string;
  readonly onChoose: (branch: Branch) => void;
  readonly onExpand: (branch: Branch, isExpanded: boolean) => void;
}

const LINE_HEIGHT = 30;

/** The paths as a tree, of which the lines in view alone have elements. */
export function TopicTree({ lines, chosen, onChoose, onExpand }: Properties) {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualList<TreeLine>>(undefined);
  const state = useRef({ chosen, active: "" });
  state.current.chosen = chosen;

  useEffect(() => {
    if (scroller.current === null || canvas.current === null) return;
    const made = new VirtualList<TreeLine>(
      scroller.current,
      canvas.current,
      () => LINE_HEIGHT,
      () => {
        return new TreeRow(() => state.current);
      },
    );
    list.current = made;
    const stop = onFrame((now) => made.frame(now));
    return () => {
      stop();
      made.dispose();
    };
  }, []);

  useEffect(() => {
    if (list.current !== undefined) list.current.items = lines;
  }, [lines]);
  useEffect(() => list.current?.refresh(), [chosen]);

  const activate = (index: number): void => {
    const place = Math.max(0, Math.min(lines.length - 1, index));
    state.current.active = lines[place]?.branch.path ?? "";
    list.current?.scrollTo(place);
    list.current?.refresh();
    requestAnimationFrame(() => {
      const row = canvas.current?.querySelector(".tree-row.active:not([hidden])");
      if (row) scroller.current?.setAttribute("aria-activedescendant", row.id);
    });
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const at = lines.findIndex((line) => line.branch.path === state.current.active);
    const line = lines[at];
    switch (event.key) {
      case "ArrowDown":
        activate(at + 1);
        break;
      case "ArrowUp":
        activate(at - 1);
        break;
      case "Home":
        activate(0);
        break;
      case "End":
        activate(lines.length - 1);
        break;
      case "ArrowRight":
        if (line !== undefined && line.branch.children.size > 0) {
          if (line.isExpanded) activate(at + 1);
          else onExpand(line.branch, true);
        }
        break;
      case "ArrowLeft":
        if (line?.isExpanded) onExpand(line.branch, false);
        else if (line !== undefined) activate(lines.findLastIndex((above, index) => index < at && above.level < line.level));
        break;
      case "Enter":
      case " ":
        if (line !== undefined) onChoose(line.branch);
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  const onClick = (event: MouseEvent): void => {
    const target = event.target as Element;
    const line = lines[Number(target.closest<HTMLElement>(".tree-row")?.dataset["index"] ?? -1)];
    if (line === undefined) return;
    state.current.active = line.branch.path;
    if (target.closest(".twist") && line.branch.children.size > 0) onExpand(line.branch, !line.isExpanded);
    else {
      if (line.branch.children.size > 0 && !line.isExpanded) onExpand(line.branch, true);
      onChoose(line.branch);
    }
  };

  return (
    <div
      class="topic-tree"
      role="tree"
      aria-label="Paths"
      tabIndex={0}
      ref={scroller}
      onKeyDown={onKeyDown}
      onClick={onClick}
      onFocus={() => state.current.active === "" && activate(0)}
    >
      <div class="topic-canvas" role="presentation" ref={canvas} />
    </div>
  );
}

let rows = 0;

class TreeRow implements Line<TreeLine> {
  readonly element = document.createElement("div");
  readonly #twist = document.createElement("span");
  readonly #name = document.createElement("span");
  readonly #count = document.createElement("span");
  readonly #state: () => { chosen: string; active: string };

  constructor(state: () => { chosen: string; active: string }) {
    this.#state = state;
    this.element.className = "tree-row";
    this.element.role = "treeitem";
    this.element.id = `tree-row-${rows++}`;
    this.#twist.className = "twist";
    this.#twist.ariaHidden = "true";
    this.#name.className = "name";
    this.#count.className = "count";
    this.element.append(this.#twist, this.#name, this.#count);
  }

  show(line: TreeLine, index: number): void {
    const { branch, level, isExpanded, place, siblings } = line;
    const { chosen, active } = this.#state();
    const isFolder = branch.children.size > 0;
    this.element.style.setProperty("--level", String(level - 1));
    this.element.ariaLevel = String(level);
    this.element.ariaPosInSet = String(place);
    this.element.ariaSetSize = String(siblings);
    this.element.ariaSelected = String(branch.path === chosen);
    this.element.ariaExpanded = isFolder ? String(isExpanded) : null;
    this.element.classList.toggle("leaf", !isFolder);
    this.element.classList.toggle("active", branch.path === active);
    this.#name.textContent = branch.name;
    this.#count.textContent = isFolder ? count(branch.count) : "";
    this.element.title = branch.path;
    this.move(index);
  }

  move(index: number): void {
    this.element.dataset["index"] = String(index);
  }

  frame(): void {}
}
