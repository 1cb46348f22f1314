// An attachment put together from its parts.

import type { Parameter } from "../engine/index.js";
import { type Module, namedParameters, nameModules } from "../nn/index.js";
import type { Attachment } from "./method.js";
import type { TrainedCopies } from "./trainedCopies.js";
import type { Part } from "./wrap.js";

export interface AttachmentParts extends Omit<Attachment, "setActive" | "detach" | "replaces" | "trainable"> {
  /** What is switched and taken off, in the order in which it was attached. */
  readonly parts: readonly Part[];
  /** The copies among the parts. */
  readonly copies: readonly TrainedCopies[];
  /** @defaultValue all parameters */
  readonly trainable?: ReadonlyMap<string, Parameter>;
  /** Parameters of the adapter that its file does not hold, freed with it. */
  readonly own?: readonly Parameter[];
}

/** The attachment of a method whose parts can be switched one by one; switched on. */
export function composeAttachment({ parts, copies, own = [], ...rest }: AttachmentParts): Attachment {
  const replaces = new Map(copies.flatMap((copy) => [...copy.parameters]));
  for (const part of parts) part.setActive(true);
  const replacing = new Set(replaces.values());
  return {
    trainable: rest.parameters,
    ...rest,
    replaces,
    setActive: (active) => {
      // Undone in the reverse order, since a later part may stand upon an earlier one.
      for (const part of active ? parts : [...parts].reverse()) part.setActive(active);
    },
    detach: (options) => {
      for (const part of [...parts].reverse()) part.detach(options);
      const added = [...rest.parameters.values()].filter((parameter) => !replacing.has(parameter));
      for (const parameter of [...added, ...own]) parameter.dispose();
    },
  };
}

/** Adds copies of the host's parameters that are not trained to an attachment; they stand in place while it is active. */
export function addCopies(attachment: Attachment, copies: TrainedCopies): Attachment {
  const { parameters, replaces = new Map(), setActive, detach } = attachment;
  return Object.assign(attachment, {
    parameters: new Map([...parameters, ...copies.parameters]),
    replaces: new Map([...replaces, ...copies.parameters]),
    setActive: (active: boolean) => {
      if (active) copies.setActive(true);
      setActive(active);
      if (!active) copies.setActive(false);
    },
    detach: (options?: { keepMerged?: boolean }) => {
      detach(options);
      copies.detach(options);
    },
  });
}

/** Names an adapter's module as if it stood at a path of the host, and gives its parameters by their keys in the file. */
export function adapterParameters(module: Module, path: string): Map<string, Parameter> {
  nameModules(module, path);
  return namedParameters(module, path);
}

/** An attachment that is nothing but copies of the host's parameters: merging is keeping them. */
export function attachCopies(...copies: TrainedCopies[]): Attachment {
  return composeAttachment({
    parameters: new Map(copies.flatMap((copy) => [...copy.parameters])),
    parts: copies,
    copies,
    merge: async () => {},
    unmerge: () => {},
  });
}
