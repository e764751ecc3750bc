// The same tree as a list, for the keyboard and for screen readers.
import { useEffect, useRef, type KeyboardEvent } from "react";
import { moved } from "../layout";
import { useWords } from "../words";
import { Title, shade } from "./Title";
import type { Given } from "./TreeGraph";

export function TreeList({ plan, run, selected, select, toggle, grow }: Given) {
  const words = useWords();
  const list = useRef<HTMLUListElement>(null);
  const typed = useRef(false);
  const current = plan.boxes.some((box) => box.id === selected) ? selected : plan.boxes[0]!.id;
  useEffect(() => {
    if (typed.current) list.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    typed.current = false;
  }, [current]);
  const keys = (event: KeyboardEvent) => {
    const box = plan.boxes.find((one) => one.id === current)!;
    let next: string | null = null;
    if (event.key === "Enter" || event.key === " ") {
      if (box.kind === "more") grow(box.parent!);
      else if (box.below) toggle(box.id, !box.open);
    } else if (event.key === "ArrowRight" && box.below && !box.open) toggle(box.id, true);
    else if (event.key === "ArrowLeft" && box.open) toggle(box.id, false);
    else if (!(next = moved(plan, current, event.key))) return;
    event.preventDefault();
    typed.current = true;
    if (next) select(next);
  };
  return (
    <ul className="list" role="tree" aria-label={words.tree} ref={list} onKeyDown={keys}>
      {plan.boxes.map((box) => (
        <li
          key={box.id}
          role="treeitem"
          aria-level={box.depth + 1}
          aria-expanded={box.below ? box.open : undefined}
          aria-selected={box.id === current}
          tabIndex={box.id === current ? 0 : -1}
          className={[box.best && "best", box.failed && "failed", box.value !== null && "valued"].filter(Boolean).join(" ") || undefined}
          style={{ ...shade(box.value), paddingInlineStart: `${0.6 + Math.min(box.depth, 12) * 1.1}rem` }}
          onClick={() => {
            if (box.kind === "more") grow(box.parent!);
            else if (box.id === current && box.below) toggle(box.id, !box.open);
            select(box.kind === "more" ? current : box.id);
          }}
        >
          <i className="fold" aria-hidden>{box.below ? (box.open ? "−" : "+") : ""}</i>
          <i className="dot" aria-hidden />
          <Title box={box} run={run} />
        </li>
      ))}
    </ul>
  );
}
