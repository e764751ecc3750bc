// The conversation, and beside it the search of one of its turns.
import { useEffect, useRef, useState } from "react";
import type { Model } from "../api";
import { live } from "../turn";
import type { Choices } from "../remember";
import { useThread } from "../thread";
import { useWords } from "../words";
import { Composer } from "./Composer";
import { Panel } from "./Panel";
import { TurnView } from "./TurnView";

type Given = { served: Model[]; chosen: Choices; change: (part: Partial<Choices>) => void; refused: () => void };

export function Chat({ served, chosen, change, refused }: Given) {
  const words = useWords();
  const thread = useThread(refused);
  const [opened, setOpened] = useState<string | null>(null);
  const scroll = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const running = thread.turns.find(live);

  useEffect(() => {
    const box = scroll.current;
    if (box && sticks.current) box.scrollTop = box.scrollHeight;
  }, [thread.turns]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        document.getElementById("ask")?.focus();
      } else if (event.key === "Escape" && running && !document.querySelector("details.budget[open]")) thread.stop(running);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [running, thread]);

  const ask = (question: string) => {
    sticks.current = true;
    const model = chosen.model && served.some((one) => one.id === chosen.model) ? chosen.model : (served[0]?.id ?? "");
    const known = served.find((one) => one.id === model)?.system2;
    const effort = chosen.effort && known?.efforts?.includes(chosen.effort) ? chosen.effort : (known?.default_effort ?? "medium");
    thread.ask(question, model, effort, chosen.budget, chosen.raw && !thread.unreadable, chosen.language);
  };
  return (
    <div className={opened ? "stage split" : "stage"}>
      <main className="chat">
        <div
          className="scroll"
          ref={scroll}
          onScroll={(event) => {
            const box = event.currentTarget;
            sticks.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
          }}
        >
          <div className="column">
            {thread.turns.length === 0 ? (
              <section className="hello">
                <h1>{words.hello}</h1>
                <p className="soft">{words.helloMore}</p>
                <ul>
                  {words.examples.map((example) => (
                    <li key={example}>
                      <button onClick={() => ask(example)} disabled={!served.length}>{example}</button>
                    </li>
                  ))}
                </ul>
              </section>
            ) : (
              <>
                <button className="fresh" onClick={() => (setOpened(null), thread.clear())} disabled={!!running}>
                  {words.newChat}
                </button>
                {thread.turns.map((turn) => (
                  <TurnView
                    key={turn.id}
                    turn={turn}
                    lost={thread.lost && turn === running}
                    raw={chosen.raw}
                    setRaw={(raw) => change({ raw })}
                    unreadable={thread.unreadable}
                    opened={opened === turn.run}
                    open={() => setOpened(opened === turn.run ? null : turn.run)}
                    stop={() => thread.stop(turn)}
                    hurry={() => thread.hurry(turn)}
                    retry={() => ask(turn.question)}
                  />
                ))}
              </>
            )}
          </div>
        </div>
        <Composer served={served} chosen={chosen} change={change} ask={ask} busy={!!running} stop={() => running && thread.stop(running)} />
      </main>
      {opened && (
        <Panel
          key={opened}
          run={opened}
          list={chosen.list}
          setList={(list) => change({ list })}
          close={() => setOpened(null)}
          more={(budget) => thread.more(opened, budget)}
        />
      )}
    </div>
  );
}
