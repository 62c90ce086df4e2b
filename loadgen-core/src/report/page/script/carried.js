// What the page carries: the document, and the library that draws.

const bytesOf = (base64) => Uint8Array.from(atob(base64), (it) => it.charCodeAt(0));

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const inflatedText = async (base64) => new TextDecoder().decode(await inflated(bytesOf(base64)));

async function carriedJson() {
  const carried = document.getElementById("loadgen-result");
  const isPlain = carried.type === "application/json";
  return isPlain ? carried.textContent : inflatedText(carried.textContent);
}

let library;
// The library that draws, once for the page and only when something is to be drawn.
function withLibrary() {
  library ??= inflatedText(document.getElementById("charts").textContent).then((text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
    return globalThis.echarts;
  });
  return library;
}
