/** Expects a StridenetError: its code, and a message that holds every given piece. */

import { StridenetError, type ErrorCode } from '../../lib/errors';

function check(error: unknown, code: ErrorCode, pieces: readonly string[]): void {
  if (!(error instanceof StridenetError))
    throw error instanceof Error ? error : new Error(`expected a StridenetError, got ${String(error)}`);
  expect(error.code).toBe(code);
  for (const piece of pieces) expect(error.message).toContain(piece);
  // A sentence, with every value printed.
  expect(error.message).toMatch(/[.!?]$/);
  expect(error.message).not.toMatch(/\[object /);
}

const NONE = Symbol('nothing was thrown');

export function expectError(code: ErrorCode, action: () => unknown, ...pieces: string[]): void {
  let error: unknown = NONE;
  try {
    action();
  } catch (caught) {
    error = caught;
  }
  if (error === NONE) throw new Error(`expected ${code} but nothing was thrown`);
  check(error, code, pieces);
}

export async function expectRejection(code: ErrorCode, promise: Promise<unknown>, ...pieces: string[]): Promise<void> {
  const error: unknown = await promise.then(
    () => NONE,
    (reason: unknown) => reason,
  );
  if (error === NONE) throw new Error(`expected ${code} but the promise was fulfilled`);
  check(error, code, pieces);
}
