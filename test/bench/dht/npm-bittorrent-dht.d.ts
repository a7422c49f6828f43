// The little of npm's bittorrent-dht that the benchmark uses; the package has no types of its own.
declare module 'bittorrent-dht' {
  export default class Client {
    constructor(options: { readonly bootstrap: false });
    listen(port: number, host: string, onListening: () => void): void;
    addNode(node: { readonly host: string; readonly port: number }): void;
    on(event: 'error' | 'warning', listener: (error: Error) => void): void;
  }
}
