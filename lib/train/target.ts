/** What a model should give for an image: what a loss and metrics compare its output with. */

import { formatShape } from '../errors';
import type { Shape } from '../graph/types';

/** What the model should give for one image: class numbers, int32, or float32 values. */
export interface TargetForm {
  readonly kind: 'classes' | 'values';
  readonly shape: Shape;
}

/** Of class numbers, one for each image. */
export const CLASS_NUMBERS: TargetForm = { kind: 'classes', shape: [] };

/** A text that differs when the forms do. */
export function targetKey({ kind, shape }: TargetForm): string {
  return `${kind}${formatShape(shape)}`;
}

/** The name of the feed. */
export function targetName({ kind }: TargetForm): string {
  return kind === 'classes' ? 'labels' : 'targets';
}

/** What class numbers may be. */
export interface Classes {
  readonly count: number;
  /** A label that is passed over. */
  readonly ignoreIndex?: number | undefined;
}
