// A question and its answer, the thoughts folded into one line between them.
import { useEffect, useRef, useState } from "react";
import { live, type Turn } from "../turn";
import { useWords } from "../words";
import { Markdown } from "./Markdown";
import { Thoughts } from "./Thoughts";
import { Trouble } from "./Trouble";

type Given = {
  turn: Turn;
  lost: boolean;
  raw: boolean;
  setRaw: (raw: boolean) => void;
  unreadable: boolean;
  opened: boolean;
  open: () => void;
  stop: () => void;
  hurry: () => void;
  retry: () => void;
};

const SPENT = new Set(["max_output_tokens", "token_budget", "cost_budget", "time_budget"]);

export function TurnView(given: Given) {
  const { turn, lost, retry, stop, hurry } = given;
  const words = useWords();
  const [copied, setCopied] = useState(false);
  const over = !live(turn);
  const was = useRef(over);
  const acts = useRef<HTMLDivElement>(null);
  const pressed = useRef(false); // the button that ends it goes away with it: the focus must not be lost
  const [heard, setHeard] = useState("");
  useEffect(() => {
    if (over && !was.current) {
      setHeard(turn.answer ? words.answerIs(turn.answer) : "");
      if (pressed.current) acts.current?.querySelector("button")?.focus({ preventScroll: true });
      pressed.current = false;
    } else if (!over) setHeard("");
    was.current = over;
  }, [over]);
  const copy = () =>
    navigator.clipboard.writeText(turn.answer).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1_500);
    });
  return (
    <article className="turn" aria-label={turn.question.slice(0, 80)}>
      <div className="asked">{turn.question}</div>
      <Thoughts {...given} />
      {lost && <p className="soft" role="status">{words.lost}</p>}
      {turn.answer && (
        <div className="answer" aria-busy={!over}>
          <Markdown text={turn.answer} />
        </div>
      )}
      {over && !turn.answer && turn.state !== "failed" && (
        <p className="soft">{turn.state === "stopped" ? words.stopped : SPENT.has(turn.why ?? "") ? words.spentOut : words.noneHolds}</p>
      )}
      {turn.state === "failed" && (
        <Trouble fault={{ message: turn.error ?? "", code: turn.code }} />
      )}
      <div className="acts" ref={acts}>
        {!over && turn.run && <button onClick={() => ((pressed.current = true), hurry())}>{words.answerNow}</button>}
        {!over && <button onClick={() => ((pressed.current = true), stop())}>{words.stop}</button>}
        {over && turn.answer && "clipboard" in navigator && <button onClick={copy}>{copied ? words.copied : words.copy}</button>}
        {over && (turn.state === "failed" || !turn.answer) && <button onClick={retry}>{words.retry}</button>}
      </div>
      <p className="unseen" role="status">{heard}</p>
    </article>
  );
}
