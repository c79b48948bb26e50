// The server's API: answers as they come, and errors in the server's own words.

/// An error that the server, or the way to it, gave.
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const headers = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The server cannot be reached.');
  }
}

async function refuse(response) {
  const text = await response.text().catch(() => '');
  let message;
  try {
    message = JSON.parse(text).error.message;
  } catch {
    message = text.slice(0, 500);
  }
  const wait = response.headers.get('Retry-After');
  throw new ApiError(
    (message || `The server answered with status ${response.status}.`) +
      (wait ? ` (again in ${wait} s)` : ''),
    response.status,
  );
}

export async function get(path, key, signal) {
  const response = await reach(path, { headers: headers(key), signal, cache: 'no-store' });
  if (!response.ok) await refuse(response);
  return response;
}

/// The data of each server-sent event.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (let line of lines) {
      if (line.endsWith('\r')) line = line.slice(0, -1);
      if (line === '') {
        if (data.length > 0) yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
  }
}

/// Asks for an answer. `onPart({text, thinking, finish, usage})` is called for whatever comes, absent what does
/// not. Throws ApiError unless the answer came to its end.
export async function streamChat(body, key, signal, onPart) {
  const response = await reach('v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers(key) },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) await refuse(response);
  try {
    for await (const data of readEvents(response.body)) {
      if (data === '[DONE]') return;
      const event = JSON.parse(data);
      if (event.error) throw new ApiError(event.error.message ?? 'The server gave an error.');
      const choice = event.choices?.[0];
      onPart({
        text: choice?.delta?.content ?? '',
        thinking: choice?.delta?.reasoning_content ?? '',
        finish: choice?.finish_reason ?? undefined,
        usage: event.usage ?? undefined,
      });
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === 'AbortError') throw error;
    if (error instanceof SyntaxError) throw new ApiError('The server sent something that is no answer.');
  }
  throw new ApiError('The connection ended before the answer did.');
}
