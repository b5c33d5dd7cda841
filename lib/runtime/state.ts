/**
 * State: the variables that programs read and write, in native memory, and values derived from them. It mirrors the
 * VariableStorage of each variable: uploads what changed outside, and holds what a training step changed inside.
 */

import { setImmediate } from 'node:timers';
import type { Program, SlotRequest } from '../compile/ir';
import { DTYPE } from '../compile/opcodes';
import { formatShape, StridenetError } from '../errors';
import type { FileRegion, StorageHolder, VariableStorage } from '../graph/storage';
import type { Tensor } from '../graph/tensor';
import { elementCount } from '../graph/types';
import { binding, fromNative, type NativeState } from './binding';

/** A variable's slot and the version of its storage that the slot holds. */
interface Mirror {
  readonly slot: number;
  readonly storage: VariableStorage;
  version: number;
  /** Where native code was told to read the value; kept as long, so that the file stays open. */
  region?: FileRegion;
}

export interface StateOptions {
  /**
   * Once programs have packed their weights, give back the memory of the weights themselves, which then lie with the model alone; they are
   * uploaded again when a program has to pack. For programs that write no variable. Default false.
   */
  readonly releasesSources?: boolean;
  /** Of what programs will pack, at least: its memory is got ready while they are compiled. Default 0. */
  readonly expectedBytes?: number;
}

export class State implements StorageHolder {
  readonly native: NativeState;
  private readonly releasesSources: boolean;
  /** Grows whenever a changed value is uploaded. */
  generation = 0;
  /** Runs that have been prepared and are not over. */
  private pending = 0;
  /** Something was uploaded since sources were released. */
  private uploaded = false;
  private released = false;
  private slotsAdded = false;
  private readonly variables = new Map<VariableStorage, Mirror>();
  private readonly derived = new Map<string, { readonly slot: number; readonly request: SlotRequest }>();

  constructor({ releasesSources = false, expectedBytes = 0 }: StateOptions = {}) {
    this.releasesSources = releasesSources;
    this.native = new (binding().State)(releasesSources, expectedBytes);
  }

  /** Native memory of the slots. */
  get bytes(): number {
    return this.native.bytes;
  }

  /** The words of `program` with its slots replaced by those of this State; new slots are made. */
  renumber(program: Program): Int32Array {
    const slots = program.slots.map((request) =>
      typeof request.key === 'string' ? this.derivedSlot(request.key, request) : this.mirror(request.key, request).slot,
    );
    const words = program.words.slice();
    for (const at of program.slotWords) words[at] = slots[words[at]!]!;
    return words;
  }

  /** What `sync` and `tookUpdates` need to know of a program's variables, looked up once. */
  mirrorsOf(variables: readonly Tensor[]): Mirrors {
    return new Mirrors(
      this,
      variables.map((variable) => this.variables.get(storageOf(variable))!),
    );
  }

  /** Uploads every variable whose storage changed since this State saw it. */
  sync(): void {
    for (const mirror of this.variables.values()) this.upload(mirror);
  }

  /** @internal */
  upload(mirror: Mirror): void {
    const { slot, storage } = mirror;
    if (mirror.version === storage.version) return;
    const { region } = storage;
    const value = region ? undefined : storage.value();
    // Read before the version: an initializer or another holder may raise it.
    const { version } = storage;
    try {
      if (region) this.native.writeFile(slot, region.file.descriptor, region.offset);
      else this.native.write(slot, value!, true);
    } catch (error) {
      throw fromNative(error);
    }
    mirror.region = region;
    mirror.version = version;
    this.generation++;
    this.uploaded = true;
  }

  /** @internal Uploads the variables again whose memory was given back. */
  restoreReleased(): void {
    if (!this.released) return;
    try {
      for (const { slot, storage } of this.variables.values()) {
        if (this.native.isReleased(slot)) this.native.restore(slot, storage.value());
      }
    } catch (error) {
      throw fromNative(error);
    }
    this.released = false;
    this.uploaded = true;
  }

  /** @internal A run's variables are in place; `runEnded` must follow. */
  runBegins(): void {
    this.pending++;
  }

  /** @internal The last run that was under way gives back what it packed from. */
  runEnded(): void {
    this.pending--;
    // Not when slots are added: a run is the first to touch their memory. And not before the caller has the results.
    if (this.slotsAdded) setImmediate(() => this.native.reportMemory());
    this.slotsAdded = false;
    if (!this.releasesSources || !this.uploaded || this.pending > 0) return;
    this.native.releaseSources();
    this.uploaded = false;
    this.released = true;
  }

  /** @internal A step wrote the slot: this State has the newest value, unless someone has set another meanwhile. */
  took(mirror: Mirror): void {
    if (mirror.storage.version !== mirror.version) return;
    mirror.storage.heldBy(this);
    mirror.version = mirror.storage.version;
  }

  /** The value of a variable in logical order; a fresh copy. */
  read(storage: VariableStorage): Float32Array {
    const mirror = this.variables.get(storage);
    if (!mirror)
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `A State was asked for a variable of shape ${formatShape(storage.shape)} that it does not have.`,
      );
    try {
      return this.native.read(mirror.slot, true) as Float32Array;
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Gives every held variable its value back, so that this State's memory can go. */
  release(): void {
    for (const { storage } of this.variables.values()) storage.release(this);
  }

  private mirror(variable: Tensor, request: SlotRequest): Mirror {
    const storage = storageOf(variable);
    let mirror = this.variables.get(storage);
    if (!mirror) {
      mirror = { slot: this.addSlot(request, false), storage, version: -1 };
      this.variables.set(storage, mirror);
    }
    return mirror;
  }

  private derivedSlot(key: string, request: SlotRequest): number {
    const known = this.derived.get(key);
    if (known) {
      if (known.request.dtype === request.dtype && elementCount(known.request.shape) === elementCount(request.shape)) return known.slot;
      throw new StridenetError('ERR_PROGRAM_INVALID', `Internal error in the compiler: two derived values share the key "${key}".`);
    }
    const slot = this.addSlot(request, true);
    this.derived.set(key, { slot, request });
    return slot;
  }

  private addSlot({ dtype, shape }: SlotRequest, derived: boolean): number {
    this.slotsAdded = true;
    try {
      return this.native.addSlot(DTYPE[dtype], Int32Array.from(shape), derived);
    } catch (error) {
      throw fromNative(error);
    }
  }
}

/** Some variables of a State. */
export class Mirrors {
  /** The State's generation for which everything was in place, -1 when a run must see to it again. */
  private generation = -1;
  /** A run may be reading files that have not been checked since. */
  private unchecked = false;

  constructor(
    private readonly state: State,
    private readonly mirrors: readonly Mirror[],
  ) {}

  /**
   * Uploads those whose storage changed, or tells where they lie. When any did, and for a first run, released ones come back before: runs
   * prepare from them.
   */
  sync(): void {
    const changed = this.mirrors.some(({ version, storage }) => version !== storage.version);
    if (!changed && this.generation === this.state.generation) return;
    this.state.restoreReleased();
    for (const mirror of this.mirrors) if (mirror.version !== mirror.storage.version) this.state.upload(mirror);
    this.checkFiles();
    this.generation = this.state.generation;
    this.unchecked = true;
  }

  /**
   * A run is over: what it read from files must be what was loaded.
   * @throws StridenetError ERR_FILE_CHANGED; then nothing that it computed is of use, and the next run begins by reading again
   */
  checkRead(): void {
    if (!this.unchecked) return;
    this.unchecked = false;
    try {
      this.checkFiles();
    } catch (error) {
      for (const mirror of this.mirrors) if (mirror.region) mirror.version = -1;
      throw error;
    }
  }

  private checkFiles(): void {
    for (const file of new Set(this.mirrors.map(({ region }) => region?.file))) file?.check();
  }

  /** A run failed, so what it was to prepare may be missing. */
  forget(): void {
    this.generation = -1;
  }

  /** A step wrote them. */
  tookUpdates(): void {
    for (const mirror of this.mirrors) this.state.took(mirror);
  }
}

function storageOf(variable: Tensor): VariableStorage {
  if (variable.leaf?.kind !== 'variable') {
    throw new StridenetError(
      'ERR_PROGRAM_INVALID',
      `Internal error in the compiler: ${variable.op} "${variable.name}" has a state slot but is no variable.`,
    );
  }
  return variable.leaf.storage;
}
