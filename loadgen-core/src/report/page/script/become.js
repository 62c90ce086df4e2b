// Making one part of the page another one, in place.

// Puts into the page what a new HTML of it says, and leaves all else as it is: charts, what is open, where the
// reader is.
function become(old, made) {
  if (old.matches("figure[data-chart]")) {
    // What is within is the chart's own.
    old.querySelector("figcaption span").textContent = made.querySelector("figcaption span").textContent;
    old.querySelector(".canvas").setAttribute("aria-label", made.querySelector(".canvas").getAttribute("aria-label"));
    return;
  }
  for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  if (made.children.length === 0) {
    if (old.textContent !== made.textContent) old.textContent = made.textContent;
    return;
  }
  becomeList(old, [...made.childNodes]);
}

// What stays itself though others come before it. Those without a name of their own go by their order.
const keyOf = (node) => {
  if (node.nodeType !== Node.ELEMENT_NODE) return `${node.nodeType}`;
  const own = node.id || node.dataset.chart || (node.matches("tr, dl div") ? node.firstElementChild?.textContent : "") || node.querySelector(":scope > h3, :scope > table > caption, :scope > summary")?.textContent;
  return `${node.localName} ${own ?? ""}`;
};

// Between blocks it separates nothing.
const isBlank = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim() === "";

function becomeList(parent, made) {
  const left = [...parent.childNodes].map((node) => ({ node, key: keyOf(node) }));
  const pairs = made.filter((it) => !isBlank(it)).map((node) => {
    const key = keyOf(node);
    const index = left.findIndex((it) => it.key === key && !isBlank(it.node));
    const [known] = index < 0 ? [] : left.splice(index, 1);
    return { node, known: known?.node };
  });
  // What stays is moved only where its order has changed: what is moved loses its focus and where it is scrolled to.
  for (const { node } of left) node.remove();
  let at = parent.firstChild;
  for (const { node, known } of pairs) {
    if (!known) {
      parent.insertBefore(node, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else parent.insertBefore(known, at);
    if (known.nodeType === Node.ELEMENT_NODE) become(known, node);
    else if (known.data !== node.data) known.data = node.data;
  }
}

// The one element of a HTML.
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}
