// Asks for the key, once a tab.
import { useState } from "react";
import { key } from "../api";
import { useWords } from "../words";

export function Gate({ enter, again }: { enter: () => void; again: boolean }) {
  const words = useWords();
  const [text, setText] = useState("");
  return (
    <main className="gate">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          key.set(text.trim());
          enter();
        }}
      >
        <h1>{words.refused}</h1>
        {again && <p role="alert" className="wrong">{words.keyWrong}</p>}
        <label>
          {words.key}
          <input type="password" autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} autoFocus />
        </label>
        <p className="soft">{words.keyHint}</p>
        <button className="main" disabled={!text.trim()}>{words.enter}</button>
      </form>
    </main>
  );
}
