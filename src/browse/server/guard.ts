/** What keeps the server to the page that it has opened, and the page to the server. */
export interface GuardOptions {
  /** The secret that only the address of the page tells. */
  readonly token: string;
}

/** Nothing from elsewhere is loaded, run, or may frame the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS: readonly (readonly [string, string])[] = [
  ["content-security-policy", POLICY],
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
];

/** The names of this machine, for itself: whoever asks for another one was led here by somebody. */
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Lets those requests through that come from the page itself, or from whoever has its address.
 *
 * The name in `Host` must be one of this machine's, so that no name of somebody else's can be made to
 * lead here; `Origin` must be the page's own. The token comes once in the address, and then in a cookie.
 */
export class Guard {
  readonly #token: string;
  readonly #cookie: string;

  constructor({ token }: GuardOptions) {
    this.#token = token;
    // Cookies do not tell ports apart: another server of the same machine has another name.
    this.#cookie = `quiver_${token.slice(0, 8)}`;
  }

  /**
   * Checks a request.
   *
   * @returns What is answered instead; `undefined` if it may go on.
   */
  check(request: Request, url: URL): Response | undefined {
    const host = request.headers.get("host");
    if (host === null || !LOOPBACK.has(host.replace(/:\d+$/, ""))) {
      return refuse(403, `Cannot answer for the host "${host}": it is not this machine's`);
    }
    const origin = request.headers.get("origin");
    const site = request.headers.get("sec-fetch-site");
    if (
      origin !== null && origin !== `http://${host}` ||
      site !== null && site !== "same-origin" && site !== "none"
    ) {
      return refuse(403, "Cannot answer another page: only this server's own may ask");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(405, `Cannot ${request.method}: this server only reads`, {
        allow: "GET, HEAD",
      });
    }
    const given = url.searchParams.get("token");
    if (given !== null && this.#isToken(given)) return this.#welcome(url);
    if (this.#isToken(this.#readCookie(request))) return undefined;
    return refuse(
      401,
      "Cannot show this bag: the address lacks the right token; open the address that was printed " +
        "when the server was started",
    );
  }

  /** Answers with the headers that each answer has. */
  static protect(response: Response): Response {
    for (const [name, value] of HEADERS) {
      if (!response.headers.has(name)) response.headers.set(name, value);
    }
    return response;
  }

  /** From the address the token goes into a cookie, so that no history has it. */
  #welcome(url: URL): Response {
    const { searchParams } = url;
    searchParams.delete("token");
    return new Response(null, {
      status: 303,
      headers: {
        location: `${url.pathname}${url.search}`,
        "set-cookie": `${this.#cookie}=${this.#token}; HttpOnly; SameSite=Strict; Path=/`,
        "cache-control": "no-store",
      },
    });
  }

  #readCookie(request: Request): string {
    for (const pair of (request.headers.get("cookie") ?? "").split("; ")) {
      if (pair.startsWith(`${this.#cookie}=`)) return pair.slice(this.#cookie.length + 1);
    }
    return "";
  }

  /** Takes as long whatever is wrong. */
  #isToken(given: string): boolean {
    if (given.length !== this.#token.length) return false;
    let differing = 0;
    for (let i = 0; i < given.length; i++) {
      differing |= given.charCodeAt(i) ^ this.#token.charCodeAt(i);
    }
    return differing === 0;
  }
}

/** Answers with a text that says what is wrong. */
export function refuse(
  status: number,
  message: string,
  headers: { readonly [name: string]: string } = {},
): Response {
  return new Response(`${message}\n`, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}
