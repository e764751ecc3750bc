// A button and what it opens: shut by Escape, by a click beside it, by leaving it, and by what is in it.
import { useEffect, useId, useRef, useState, type ReactNode } from "react";

type Given = {
  name: ReactNode;
  label: string;
  title?: string;
  className: string;
  children: (shut: () => void) => ReactNode;
};

/** `shut` gives the focus back to the button. `label`: what a screen reader calls the inside. */
export function PopOver({ name, label, title, className, children }: Given) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const shut = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    place.current?.querySelector<HTMLElement>(".sheet input")?.focus();
    const beside = (event: Event) => {
      if (!place.current?.contains(event.target as Node)) setOpen(false);
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault(); // it shuts this, and stops no search
      shut();
    };
    document.addEventListener("pointerdown", beside, true);
    document.addEventListener("focusin", beside);
    document.addEventListener("keydown", pressed, true);
    return () => {
      document.removeEventListener("pointerdown", beside, true);
      document.removeEventListener("focusin", beside);
      document.removeEventListener("keydown", pressed, true);
    };
  }, [open]);
  return (
    <div className={`pop ${className}`} ref={place}>
      <button type="button" ref={button} aria-expanded={open} aria-haspopup="dialog" aria-controls={open ? id : undefined} title={title} onClick={() => setOpen(!open)}>
        {name}
      </button>
      {open && (
        <div className="sheet" id={id} role="dialog" aria-label={label}>
          {children(shut)}
        </div>
      )}
    </div>
  );
}
