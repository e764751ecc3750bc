// A conversation, and beside it the search of one of its turns.
import { useEffect, useRef, useState } from "react";
import type { Model } from "../api";
import { FRESH, addressOf, go } from "../place";
import { chats, type Choices } from "../remember";
import { door, goOn, threadOf, useThread } from "../thread";
import { live } from "../turn";
import { useLanguage, useWords } from "../words";
import { when } from "../format";
import { Composer, effortOf } from "./Composer";
import { Panel } from "./Panel";
import { TurnView } from "./TurnView";
import { useTitle } from "./useTitle";

type Given = { chat: string; opened: string | null; served: Model[]; chosen: Choices; change: (part: Partial<Choices>) => void };

export function Chat({ chat, opened, served, chosen, change }: Given) {
  const words = useWords();
  const thread = useThread(chat);
  const turns = thread.turns();
  const scroll = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const stage = useRef<HTMLDivElement>(null);
  const before = useRef(opened);
  const running = turns.find(live);
  useTitle(turns[0]?.question ?? words.newChat);

  useEffect(() => {
    const box = scroll.current;
    if (box && sticks.current) box.scrollTop = box.scrollHeight;
  }, [turns]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
      if (event.isComposing || event.defaultPrevented) return; // Escape belongs to the input method, or to what is open
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        document.getElementById("ask")?.focus();
      } else if (event.key === "Escape" && running) void thread.stop(running);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [running, thread]);
  useEffect(() => {
    const was = before.current;
    before.current = opened;
    if (was === opened || !stage.current) return;
    const lost = document.activeElement === document.body || stage.current.querySelector(".chat")?.contains(document.activeElement);
    if (opened && lost) stage.current.querySelector<HTMLElement>(".panel h2")?.focus({ preventScroll: true });
    else if (!opened && lost) stage.current.querySelector<HTMLElement>(`.peek[data-run="${CSS.escape(was!)}"]`)?.focus();
  }, [opened]);

  const look = (run: string | null) => go({ page: "chat", chat, run });
  const ask = (question: string) => {
    sticks.current = true;
    const model = served.find((one) => one.id === chosen.model) ?? served[0];
    void thread.ask(question, model?.id ?? "", effortOf(model, chosen), chosen.budget, chosen.raw && !door.unreadable, chosen.language);
    if (turns.length === 0) look(null);
    document.getElementById("ask")?.focus();
  };
  return (
    <div className={opened ? "stage split" : "stage"} ref={stage}>
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
            {turns.length === 0 ? (
              <Hello ask={ask} ready={served.length > 0} />
            ) : (
              <>
                <a className="fresh" href={addressOf(FRESH)}>{words.newChat}</a>
                {turns.map((turn) => (
                  <TurnView
                    key={turn.id}
                    turn={turn}
                    lost={thread.lost() && turn === running}
                    raw={chosen.raw}
                    setRaw={(raw) => change({ raw })}
                    unreadable={door.unreadable}
                    opened={opened !== null && opened === turn.run}
                    open={() => look(opened === turn.run ? null : turn.run)}
                    stop={() => void thread.stop(turn)}
                    hurry={() => thread.hurry(turn)}
                    retry={() => ask(turn.question)}
                  />
                ))}
              </>
            )}
          </div>
        </div>
        <Composer served={served} chosen={chosen} change={change} ask={ask} busy={!!running} stop={() => running && void thread.stop(running)} />
      </main>
      {opened && (
        <Panel
          key={opened}
          run={opened}
          list={chosen.list}
          setList={(list) => change({ list })}
          close={() => look(null)}
          more={(budget) => goOn(opened, budget)}
        />
      )}
    </div>
  );
}

/** What an empty page says: what one may ask, and what was asked before. */
function Hello({ ask, ready }: { ask: (question: string) => void; ready: boolean }) {
  const words = useWords();
  const language = useLanguage();
  const [earlier, setEarlier] = useState(chats);
  return (
    <section className="hello">
      <h1>{words.hello}</h1>
      <p className="soft">{words.helloMore}</p>
      <ul>
        {words.examples.map((example) => (
          <li key={example}>
            <button onClick={() => ask(example)} disabled={!ready}>{example}</button>
          </li>
        ))}
      </ul>
      {earlier.length > 0 && (
        <nav className="earlier" aria-label={words.earlier}>
          <h2>{words.earlier}</h2>
          <ul>
            {earlier.map(({ id, title, at }) => (
              <li key={id}>
                <a href={addressOf({ page: "chat", chat: id, run: null })}>{title}</a>
                <span className="soft">{when(at / 1000, language)}</span>
                <button
                  className="close"
                  aria-label={words.forget(title)}
                  title={words.forget(title)}
                  onClick={() => (threadOf(id).drop(), setEarlier(chats()), document.getElementById("ask")?.focus())}
                />
              </li>
            ))}
          </ul>
        </nav>
      )}
    </section>
  );
}
