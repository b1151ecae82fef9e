// Gradio's event streams over WebSockets, which do not count among the six connections that a browser opens to a host.
// Where no WebSocket opens, they come over HTTP. This replaces `fetch`, so it runs before any other script of the page.

const STREAMS = /\/gradio_api\/(queue\/data$|heartbeat\/)/;
const plainFetch = window.fetch;

function openStream(request) {
  const address = request.url.replace(/^http/, "ws");
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    let arriving = null;
    const body = new ReadableStream({ start: (end) => { arriving = end; }, cancel: () => socket.close() });
    let answered = false;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (answered) { arriving.enqueue(new Uint8Array(data)); return; }
      answered = true;
      resolve(new Response(body, { status: Number(data), headers: { "Content-Type": "text/event-stream" } }));
    };
    socket.onclose = ({ code }) => {
      if (!answered) resolve(plainFetch.call(window, request));
      else if (code === 1000) arriving.close();
      else arriving.error(new TypeError("The connection was lost."));
    };
    request.signal.addEventListener("abort", () => {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
      arriving.error(request.signal.reason);
      reject(request.signal.reason);
    });
  });
}

window.fetch = (resource, options) => {
  const address = new URL(resource instanceof Request ? resource.url : resource, location.href);
  const isStream = address.origin === location.origin && STREAMS.test(address.pathname);
  return isStream ? openStream(new Request(resource, options)) : plainFetch.call(window, resource, options);
};
