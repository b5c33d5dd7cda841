/**
 * A test environment as poor as Jest's jsdom, or poorer: the language's globals, in a realm of their own, and hardly any of Node's. What the
 * package needs beyond those it must import.
 */

import { runInNewContext } from 'node:vm';
import NodeEnvironment from 'jest-environment-node';

const LANGUAGE = runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[];
/** jsdom has these, and Jest itself takes some of them from here. */
const KEPT = new Set([...LANGUAGE, 'global', 'process', 'Buffer', 'console', 'setTimeout', 'clearTimeout']);

class BareEnvironment extends NodeEnvironment {
  override async setup(): Promise<void> {
    await super.setup();
    for (const name of Object.getOwnPropertyNames(this.global)) {
      if (!KEPT.has(name) && !name.startsWith('JEST')) Reflect.deleteProperty(this.global, name);
    }
  }
}

export default BareEnvironment;
