// Before the Worker's own module: notes the memory that it makes for itself.
const memories = [];

export const memoryBytes = () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);

const { Instance, instantiate } = WebAssembly;

function note(instance) {
  for (const made of Object.values(instance.exports)) if (made instanceof WebAssembly.Memory) memories.push(made);
  return instance;
}

WebAssembly.Instance = function (...made) {
  return note(new Instance(...made));
};
WebAssembly.instantiate = async (...made) => {
  const result = await instantiate(...made);
  note(result.instance ?? result);
  return result;
};
