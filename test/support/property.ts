// Properties are tried on the same cases in every run, so that a failure is of the change that it comes with. FC_SEED=number tries others;
// a failure prints its seed and path.
import fc from 'fast-check';

const env: { readonly FC_SEED?: string } = process.env;
fc.configureGlobal({ seed: Number(env.FC_SEED ?? 0x7474) });

export default fc;
