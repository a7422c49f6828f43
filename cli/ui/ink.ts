// The only door to Ink and React. Loading it takes 150 ms: reach it through `await import()` of screen-mount.tsx alone.
export { Box, render, Text, useApp, useInput, usePaste, useWindowSize } from 'ink';
export { memo, useEffect, useSyncExternalStore } from 'react';
