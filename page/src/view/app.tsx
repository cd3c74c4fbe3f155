import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import type { Console } from "../model/console";
import { count } from "../model/format";
import { matcher } from "../model/search";
import type { Topic } from "../model/topics";
import { byPath, growTree, treeLines, type Branch } from "../model/tree";
import { Announcer } from "./announcer";
import { useRevision, useTick } from "./frames";
import { Header } from "./header";
import { NetworkPanel } from "./network-panel";
import { TopicDetail } from "./topic-detail";
import { TopicTable, type Order } from "./topic-table";
import { TopicTree } from "./topic-tree";
import { TrafficPanel } from "./traffic-panel";

/** The busiest topics are sought again no more often, in milliseconds. */
const RESORT = 1_000;

export function App({ console }: { console: Console }) {
  const { topics } = console;
  // Topics that come and go are taken up a few times a second, however many they are.
  useRevision(() => topics.revision, 250);
  const [search, setSearch] = useState("");
  const [folder, setFolder] = useState("");
  const [order, setOrder] = useState<Order>("path");
  const [selected, setSelected] = useState<Topic>();
  const [isBrowsing, setBrowsing] = useState(false);
  const expanded = useMemo(() => new Map<string, boolean>(), []);
  const [expansion, noteExpansion] = useReducer((times: number) => times + 1, 0);
  const tick = useTick(order === "updates" ? RESORT : 60_000);

  const fitting = useMemo(() => {
    const fits = matcher(search);
    return [...topics.all()].filter((topic) => fits === undefined || fits(topic.path)).sort(byPath);
  }, [topics.revision, search]);
  const tree = useMemo(() => growTree(fitting), [fitting]);
  const lines = useMemo(() => {
    const isOpen = (branch: Branch): boolean => expanded.get(branch.path) ?? (search !== "" && tree.count <= 500);
    return treeLines(tree, isOpen);
  }, [tree, expansion]);
  const items = useMemo(() => {
    const inside = folder === "" ? fitting : fitting.filter(({ path }) => path === folder || path.startsWith(`${folder}/`));
    return order === "path" ? inside : [...inside].sort((left, right) => right.updates - left.updates);
  }, [fitting, folder, order, order === "updates" ? tick : 0]);

  useEffect(() => {
    if (selected !== undefined && topics.get(selected.path) !== selected) setSelected(undefined);
  }, [topics.revision]);

  const expand = (branch: Branch, isExpanded: boolean): void => {
    expanded.set(branch.path, isExpanded);
    noteExpansion(undefined);
  };
  const choose = (branch: Branch): void => {
    if (branch.topic !== undefined && branch.children.size === 0) {
      setSelected(branch.topic);
    } else {
      setFolder(branch.path === folder ? "" : branch.path);
    }
  };

  const close = (): void => {
    setSelected(undefined);
    document.querySelector<HTMLElement>(".topic-table")?.focus({ preventScroll: true });
  };

  return (
    <>
      <a class="skip" href="#topics">
        To the topics
      </a>
      <Header console={console} />
      <main class={selected === undefined ? "" : "with-detail"}>
        <TrafficPanel console={console} />
        <NetworkPanel console={console} />
        <section class="card topics" id="topics" aria-labelledby="topics-title">
          <header>
            <h2 id="topics-title">
              Topics <span class="amount">{count(items.length)}</span>
            </h2>
            {folder !== "" && (
              <button
                type="button"
                class="chip"
                onClick={() => setFolder("")}
                aria-label={`Show all topics, not only ${folder}`}
              >
                {folder}/** <span aria-hidden="true">✕</span>
              </button>
            )}
            <button
              type="button"
              class="browse"
              aria-expanded={isBrowsing}
              aria-controls="tree"
              onClick={() => setBrowsing(!isBrowsing)}
            >
              Browse
            </button>
            <input
              type="search"
              placeholder="Search, or prices/**"
              aria-label="Search topics by words or a selector"
              value={search}
              onInput={(event) => setSearch(event.currentTarget.value)}
            />
          </header>
          <div class="panes">
            <div id="tree" class={isBrowsing ? "tree-pane shown" : "tree-pane"}>
              <TopicTree
                lines={lines}
                chosen={selected !== undefined && folder === "" ? selected.path : folder}
                onChoose={choose}
                onExpand={expand}
              />
            </div>
            <TopicTable
              topics={topics}
              items={items}
              order={order}
              onOrder={setOrder}
              selected={selected}
              onSelect={setSelected}
            />
          </div>
        </section>
        {selected !== undefined && <TopicDetail key={selected.path} console={console} topic={selected} onClose={close} />}
      </main>
      <Announcer console={console} />
    </>
  );
}
