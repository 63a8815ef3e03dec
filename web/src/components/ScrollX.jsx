// ScrollX.jsx - a box that scrolls sideways by itself, and says so where its content does not fit: the edge behind which
// there is more fades, and `hint` stands below.

import { useEffect, useRef, useState } from "preact/hooks";

const NONE = { left: false, right: false };

function sidesOf({ scrollLeft, clientWidth, scrollWidth }) {
  return { left: scrollLeft > 1, right: scrollLeft + clientWidth < scrollWidth - 1 };
}

export function ScrollX({ hint, class: extra = "", children }) {
  const box = useRef(null);
  const [more, setMore] = useState(NONE);
  useEffect(() => {
    const element = box.current;
    const look = () => {
      const { left, right } = sidesOf(element);
      setMore((old) => (old.left === left && old.right === right ? old : { left, right }));
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    observer.observe(element.firstElementChild);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const sides = `${more.left ? " more-left" : ""}${more.right ? " more-right" : ""}`;
  return (
    <>
      <div class={`scroll-place${sides}`}>
        <div class={`scroll-x ${extra}`} ref={box}>
          {children}
        </div>
      </div>
      {sides && <p class="sub scroll-hint">{hint}</p>}
    </>
  );
}
