import type { Topic } from "./topics";

/** A segment of paths, with what lies below it. */
export interface Branch {
  readonly name: string;
  /** The path that leads here. */
  readonly path: string;
  readonly children: Map<string, Branch>;
  topic: Topic | undefined;
  /** How many topics there are here and below. */
  count: number;
}

/** A line of the tree as it is shown. */
export interface TreeLine {
  readonly branch: Branch;
  readonly level: number;
  readonly isExpanded: boolean;
  /** Its place among its siblings, from 1, and how many they are. */
  readonly place: number;
  readonly siblings: number;
}

export function growTree(topics: Iterable<Topic>): Branch {
  const root = branch("", "");
  for (const topic of topics) {
    let at = root;
    at.count++;
    let end = -1;
    do {
      const start = end + 1;
      end = topic.path.indexOf("/", start);
      const name = topic.path.slice(start, end < 0 ? undefined : end);
      let below = at.children.get(name);
      if (below === undefined) {
        below = branch(name, end < 0 ? topic.path : topic.path.slice(0, end));
        at.children.set(name, below);
      }
      below.count++;
      at = below;
    } while (end >= 0);
    at.topic = topic;
  }
  return root;
}

/** The lines of the tree from the top, with what is expanded. */
export function treeLines(root: Branch, isExpanded: (branch: Branch) => boolean): TreeLine[] {
  const lines: TreeLine[] = [];
  const walk = (parent: Branch, level: number): void => {
    const children = [...parent.children.values()].sort(byName);
    children.forEach((child, index) => {
      const expanded = child.children.size > 0 && isExpanded(child);
      lines.push({ branch: child, level, isExpanded: expanded, place: index + 1, siblings: children.length });
      if (expanded) walk(child, level + 1);
    });
  };
  walk(root, 1);
  return lines;
}

function branch(name: string, path: string): Branch {
  return { name, path, children: new Map(), topic: undefined, count: 0 };
}

/** Numbers in names count as numbers: `vehicle/9` stands before `vehicle/10`. */
const collator = new Intl.Collator("en", { numeric: true });

export function byName(left: { name: string }, right: { name: string }): number {
  return collator.compare(left.name, right.name);
}

export function byPath(left: { path: string }, right: { path: string }): number {
  return collator.compare(left.path, right.path);
}
