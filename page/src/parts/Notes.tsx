// What went wrong beside a search, in a sentence a kind; what was said word for word is folded away.
import type { Remark } from "../run";
import { useWords } from "../words";

const FEW = 5; // different texts of a kind

export function Notes({ notes }: { notes: Remark[] }) {
  const words = useWords();
  const kinds = new Map<string, Remark[]>();
  for (const note of notes) {
    const name = kindOf(note);
    kinds.set(name, [...(kinds.get(name) ?? []), note]);
  }
  if (!kinds.size) return null;
  return (
    <ul className="notes">
      {[...kinds].map(([kind, found]) => (
        <li key={kind}>
          <p>{(words.notes[kind] ?? words.notes[kind.split(" ")[0]!] ?? words.notes.policy!)(found.length)}</p>
          <details>
            <summary>{words.details}</summary>
            <ul lang="en">
              {[...new Set(found.map((note) => note.text))].slice(-FEW).map((text) => <li key={text}>{text}</li>)}
            </ul>
          </details>
        </li>
      ))}
    </ul>
  );
}

/** Whose it is; of a sidecar, which: its text begins with the name. */
function kindOf({ role, text }: Remark): string {
  const name = /^(\w+): /.exec(text)?.[1];
  return role === "sidecar" && name ? `${role} ${name}` : role;
}
