// One line: "Thinking…", then "Thought for 12 s · 1,536 tokens · $0.018"; it opens to the summaries and the thoughts.
import { useEffect, useRef, useState } from "react";
import { dollars, seconds, whole } from "../format";
import { feedOf, useFeed } from "../feed";
import { best, path } from "../run";
import { label, live, type Turn } from "../turn";
import { useLanguage, useWords } from "../words";
import { Markdown } from "./Markdown";

type Given = {
  turn: Turn;
  raw: boolean;
  setRaw: (raw: boolean) => void;
  unreadable: boolean;
  opened: boolean;
  open: () => void;
};

export function Thoughts({ turn, raw, setRaw, unreadable, opened, open }: Given) {
  const words = useWords();
  const language = useLanguage();
  const thinking = turn.state === "waiting" || turn.state === "thinking";
  const [shown, setShown] = useState(false);
  const was = useRef(thinking);
  const time = useClock(thinking);
  const body = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (was.current && !thinking) setShown(false); // it folds by itself when the answer begins
    was.current = thinking;
  }, [thinking]);
  useEffect(() => {
    const box = body.current;
    if (box && thinking && box.scrollHeight - box.scrollTop - box.clientHeight < 120) box.scrollTop = box.scrollHeight;
  }, [turn.summaries, turn.raw, thinking]);

  const ms = thinking ? turn.past + Math.max(0, time - turn.began) : (turn.thinking ?? 0);
  const facts = thinking
    ? [seconds(ms, language)]
    : [
        turn.tokens !== null && words.nTokens(turn.tokens, whole(turn.tokens, language)),
        turn.dollars !== null && (turn.dollars ? dollars(turn.dollars, language) : words.free),
        turn.why && turn.why !== "answered" && (words.whys[turn.why] ?? turn.why),
      ].filter((fact) => fact !== false && fact !== null && fact !== "");
  const head = thinking ? ((turn.further ? null : label(turn)) ?? (turn.state === "waiting" ? words.waiting : words.thinking)) : words.thought(seconds(ms, language));
  const id = `thoughts-${turn.id}`;
  if (!live(turn) && turn.run === null) return null; // nothing was thought
  return (
    <section className={thinking ? "thoughts going" : "thoughts"}>
      <div className="line">
        <button className="head" aria-expanded={shown} aria-controls={id} onClick={() => setShown(!shown)}>
          <span aria-live={thinking ? "polite" : undefined}><span className="label" key={head}>{head}</span></span>
          {facts.map((fact) => <span className="fact" key={String(fact)}>{fact}</span>)}
        </button>
        {turn.run && (
          <button className="peek" data-run={turn.run} aria-expanded={opened} onClick={open}>{words.openTree}</button>
        )}
      </div>
      {shown && (
        <div className="inside" id={id} ref={body}>
          {turn.summaries.length > 0 ? (
            <ol className="summaries">
              {turn.summaries.map((text, n) => <li key={n}><Markdown text={text ?? ""} /></li>)}
            </ol>
          ) : (
            !thinking && <p className="soft">{words.noSummaries}</p>
          )}
          <label className="switch" title={unreadable ? words.rawRefused : words.rawHint}>
            <input type="checkbox" role="switch" checked={raw && !unreadable} disabled={unreadable} onChange={(event) => setRaw(event.target.checked)} />
            {words.showRaw}
          </label>
          {unreadable && <p className="soft">{words.rawRefused}</p>}
          {raw && !unreadable && (turn.raw ? <pre className="raw">{turn.raw}</pre> : turn.run && <Line run={turn.run} />)}
        </div>
      )}
    </section>
  );
}

/** The line of thought where the answer stands, step by step, from the tree. */
function Line({ run }: { run: string }) {
  const words = useWords();
  const feed = useFeed(run);
  const steps = path(feed.run, best(feed.run)).map((id) => feedOf(run).run.nodes.get(id)!);
  if (feed.run.seq >= 0 && !feed.run.raw) return <p className="soft">{words.rawRefused}</p>;
  if (!steps.length) return <p className="soft">{words.rawNone}</p>;
  return <pre className="raw">{steps.map((step) => step.text).join("\n")}</pre>;
}

/** The time, each second while it is wanted. */
function useClock(on: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!on) return;
    setNow(Date.now());
    const ticking = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(ticking);
  }, [on]);
  return now;
}
