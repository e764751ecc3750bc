// The search of one run: meters, the tree as a graph or a list, the step that is chosen, the vote.
import { useMemo, useRef, useState } from "react";
import type { Budget } from "../api";
import { useFeed } from "../feed";
import { whole } from "../format";
import { plan } from "../layout";
import { RUNS, addressOf } from "../place";
import { ROOT, best } from "../run";
import { useLanguage, useWords } from "../words";
import { Meters } from "./Meters";
import { Notes } from "./Notes";
import { StepSide } from "./StepSide";
import { Trouble } from "./Trouble";
import { TreeGraph } from "./TreeGraph";
import { TreeList } from "./TreeList";
import { Votes } from "./Votes";

type Given = {
  run: string;
  list: boolean;
  setList: (list: boolean) => void;
  close?: () => void;
  more?: (budget: Budget) => Promise<void>;
};

export function Panel({ run: id, list, setList, close, more }: Given) {
  const words = useWords();
  const language = useLanguage();
  const feed = useFeed(id);
  const run = feed.run;
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [pages, setPages] = useState<ReadonlyMap<string, number>>(new Map());
  const [selected, setSelected] = useState<string>(ROOT);
  const stood = useRef<ReadonlySet<string>>(new Set());
  const found = useMemo(() => {
    const made = plan(run, best(run), { toggled, more: pages, stood: stood.current });
    stood.current = new Set(made.boxes.filter((box) => box.open).map((box) => box.id));
    return made;
  }, [run, run.version, toggled, pages]);

  const toggle = (box: string, open: boolean) => setToggled((now) => new Map(now).set(box, open));
  const grow = (box: string) => setPages((now) => new Map(now).set(box, (now.get(box) ?? 0) + 1));
  const tree = { plan: found, run, selected, select: setSelected, toggle, grow };
  const box = found.boxes.find((one) => one.id === selected);
  const going = !feed.over();
  if (feed.line === "refused")
    return (
      <aside className="panel" aria-label={words.tree}>
        {close && <div className="head"><h2 tabIndex={-1}>{words.tree}</h2><button className="close" onClick={close} aria-label={words.closePanel} title={words.closePanel} /></div>}
        {feed.trouble ? <Trouble fault={feed.trouble} /> : <p className="wrong" role="alert">{words.missing}</p>}
        <p><a href={addressOf(RUNS)}>{words.runs}</a></p>
      </aside>
    );
  return (
    <aside className="panel" aria-label={words.tree}>
      <div className="head">
        <h2 tabIndex={-1}>{words.tree}</h2>
        <div className="choice" role="group" aria-label={words.shape}>
          <button aria-pressed={!list} onClick={() => setList(false)}>{words.graph}</button>
          <button aria-pressed={list} onClick={() => setList(true)}>{words.list}</button>
        </div>
        {close && <button className="close" onClick={close} aria-label={words.closePanel} title={words.closePanel} />}
      </div>
      {feed.line === "lost" && run.seq >= 0 && <p className="soft" role="status">{words.lost}</p>}
      <Meters run={run} more={more} live={going} />
      <div className="tree">
        {found.boxes.length < 2 ? (
          <p className="soft still">{words.nothingYet}</p>
        ) : list ? (
          <TreeList {...tree} />
        ) : (
          <TreeGraph {...tree} />
        )}
      </div>
      {found.hidden > 0 && <p className="soft small">{words.hiddenBoxes(found.hidden, whole(found.hidden, language))}</p>}
      {box && box.kind !== "root" && <StepSide key={box.id} box={box} run={run} />}
      <Votes run={run} />
      <Notes notes={run.notes} />
    </aside>
  );
}
