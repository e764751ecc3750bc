// Text of a model, shown.
import { useEffect, useMemo, useState } from "react";
import { hasMath, html, typesetter, type Typeset } from "../markdown";

let ready: Typeset | null = null;

export function Markdown({ text }: { text: string }) {
  const [typeset, setTypeset] = useState<Typeset | null>(() => ready);
  const wanted = hasMath(text);
  useEffect(() => {
    if (wanted && !ready) void typesetter().then((made) => setTypeset(() => (ready = made)));
  }, [wanted]);
  const made = useMemo(() => html(text, typeset ?? ready), [text, typeset]);
  return <div className="prose" dangerouslySetInnerHTML={{ __html: made }} />;
}
