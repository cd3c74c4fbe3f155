/** Whether a path fits what somebody is looking for. */
export type Matcher = (path: string) => boolean;

/**
 * Words that a path must have, in any order and case; or, if there is a `*`, a selector as in `subscribe`, where `*` is
 * one segment and `**` any number of them.
 */
export function matcher(search: string): Matcher | undefined {
  const text = search.trim();
  if (text === "") return undefined;
  if (text.includes("*")) {
    const pattern = selectorPattern(text);
    return (path) => pattern.test(path);
  }
  const words = text.toLowerCase().split(/\s+/);
  return (path) => {
    const lower = path.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

function selectorPattern(selector: string): RegExp {
  let source = "";
  selector.split("/").forEach((segment, index) => {
    const slash = index === 0 ? "" : "/";
    if (segment === "**") {
      source += index === 0 ? "(?:[^/]+(?:/[^/]+)*)?" : "(?:/[^/]+)*";
    } else if (source === "(?:[^/]+(?:/[^/]+)*)?") {
      source = `(?:[^/]+/)*${segmentPattern(segment)}`;
    } else {
      source += slash + segmentPattern(segment);
    }
  });
  return new RegExp(`^${source}$`, "i");
}

function segmentPattern(segment: string): string {
  return segment
    .split("*")
    .map((text) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"))
    .join("[^/]*");
}
