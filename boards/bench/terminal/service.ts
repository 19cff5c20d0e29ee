/**
 * What a service tells systemd: that it is ready, and again and again that its event loop turns. Node has no datagrams on
 * Unix sockets, so `systemd-notify` carries the words; a loop that hangs starts none, and is started again by the watchdog.
 */
import { execFile } from "node:child_process";

/** Begins to tell, where systemd asked for it by its variables; elsewhere does nothing. Answers what ends it. */
export function tellService(environment: NodeJS.ProcessEnv): () => void {
  if (environment["NOTIFY_SOCKET"] === undefined) return () => undefined;
  // One that cannot be told starts this again: it is said in the journal by systemd itself.
  const tell = (...words: string[]): void => { execFile("systemd-notify", words, { env: environment }, () => undefined); };
  tell("--ready");
  const everyMs = Number(environment["WATCHDOG_USEC"] ?? 0) / 1000 / 3;
  const timer = everyMs > 0 ? setInterval(() => tell("WATCHDOG=1"), everyMs) : undefined;
  return () => clearInterval(timer);
}
