/**
 * A database through a line on which statements fail: before they are done, or after, so that nobody hears that they were.
 */
import type { KyselyPlugin } from "kysely";
import type { Database } from "../../host/database.js";

/** Error code for a statement, before it is done or behind it; undefined lets it be. The engine's own rollback never fails. */
export interface StatementLine { before(text: string): string | undefined; after(text: string): string | undefined }

export const failure = (code: string): Error => Object.assign(new Error(`planted: ${code}`), { code });
export const isPlanted = (error: unknown): boolean => error instanceof Error && error.message.startsWith("planted: ");

/** The same database through this line. */
export function through(db: Database, line: StatementLine): Database {
  const texts = new WeakMap<object, string>();
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      const text = node.kind === "RawNode" ? node.sqlFragments.join("?") : node.kind;
      texts.set(queryId, text);
      const code = text === "rollback" ? undefined : line.before(text);
      if (code !== undefined) throw failure(code);
      return node;
    },
    transformResult: ({ result, queryId }) => {
      const code = line.after(texts.get(queryId) ?? "");
      return code === undefined ? Promise.resolve(result) : Promise.reject(failure(code));
    },
  };
  return db.withPlugin(plugin);
}
