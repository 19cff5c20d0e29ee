/**
 * The directory's part of the schema: tables beside the ledger's, created by the same list of steps (`schema.ts`).
 * Versions start at 100, so that ledger and directory can grow without asking each other.
 */
import type { Migration } from "./schema.js";

export interface MoreTables {}
export const moreMigrations: Migration[] = [];
