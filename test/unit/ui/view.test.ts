// What is on the screen, at the sizes people have, with names nobody should have and with more than anybody has.
import { describe, expect, it } from 'vitest';
import { textWidth } from '../../../cli/terminal/text.ts';
import { KEYS } from '../../../cli/ui/keys.ts';
import { PANELS } from '../../../cli/ui/state.ts';
import { file, modelRig, peer, session, torrent, transferAccount } from '../../support/screen-rig.ts';

const SIZES = [
  [80, 24],
  [120, 40],
  [200, 60],
  // Less than anything is made for: still no row too many, none too wide.
  [30, 6],
] as const;

const HOSTILE = [
  '\u001b[31mred\u001b[2J\u001b]0;title\u0007',
  'new\nline\r\ttab\u0000nul',
  '\u202egpj.exe',
  '漢字かな交じり文'.repeat(30),
  'e\u0301'.repeat(200),
  'עברית العربية',
  '👩‍👩‍👧‍👦👍🏽🇩🇪'.repeat(20),
  'x'.repeat(5_000),
  '',
];

/** Only what paintLine writes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STYLES = /\u001b\[[0-9;]*m/g;

function expectFits(rig: ReturnType<typeof modelRig>, columns: number, rows: number): void {
  const frame = rig.model.frame(columns, rows);
  expect(frame).toHaveLength(rows);
  for (const row of frame) {
    const bare = row.replace(STYLES, '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(bare).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(textWidth(bare)).toBeLessThanOrEqual(columns);
  }
}

it('a question is seen in a terminal of few rows as well', () => {
  const rig = modelRig();
  rig.model.setSnapshot(session([torrent()]));
  rig.model.press('x');
  for (const rows of [24, 8, 7, 5, 2, 1]) {
    const frame = rig.model.frame(80, rows).map((row) => row.replace(STYLES, ''));
    expect(frame).toHaveLength(rows);
    expect(frame.filter((row) => row.startsWith('Remove '))).toHaveLength(1);
  }
});

it('the tab of the panel stands in the row of tabs at any width, whole from 40 columns', () => {
  const rig = modelRig();
  rig.model.setSnapshot(session([torrent({ files: [file(0), file(1)] })]));
  for (const columns of [200, 80, 66, 60, 50, 40]) {
    for (const i of PANELS.keys()) {
      rig.model.press(String(i + 1));
      const tabs = rig.model.frame(columns, 24)[1]?.replace(STYLES, '') ?? '';
      expect(tabs, `${columns}`).toMatch(new RegExp(`\\[${i + 1} [A-Z][a-z]+( \\d+)?\\]`));
      for (const j of PANELS.keys()) expect(tabs, `${columns}`).toMatch(new RegExp(`[ \\[]${j + 1}[ \\]]`));
    }
  }
});

describe('every panel at every size', () => {
  for (const [columns, rows] of SIZES) {
    for (const hasColor of [false, true]) {
      it(`${columns}x${rows}, ${hasColor ? 'colour' : 'no colour'}: exactly fits`, () => {
        for (const name of HOSTILE) {
          const rig = modelRig({ hasColor });
          rig.model.setSnapshot(
            session([
              torrent({
                name,
                directory: name,
                error: name,
                peers: [peer({ client: name })],
                files: [file(0, { path: name })],
              }),
            ]),
          );
          rig.model.note('a line');
          for (const key of ['1', '2', '3', '4', '5', '6', '?']) {
            rig.press(key);
            expectFits(rig, columns, rows);
          }
          rig.press('escape', 'x');
          expectFits(rig, columns, rows);
        }
      });
    }
  }

  it('says nothing by colour alone: without it no colour is written', () => {
    const rig = modelRig({ hasColor: false });
    rig.model.setSnapshot(session([torrent()]));
    for (let i = 1; i <= PANELS.length; i++) {
      rig.press(String(i));
      for (const row of rig.model.frame(120, 40)) {
        expect(row).not.toContain('\u001b[3');
        expect(row).not.toContain(';36m');
      }
      expect(rig.rows()[1]).toMatch(new RegExp(`\\[${i} `));
    }
  });
});

describe('overview', () => {
  it('shows progress, speeds, time left, peers and waste at 80x24', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    const text = rig.text();
    expect(rig.rows()[0]).toMatch(/^ tt 33\.3% {2}debian-13.* ↓ 12\.0 MiB\/s {2}↑ 1\.00 MiB\/s $/);
    expect(text).toMatch(/333 MiB of 0\.98 GiB .* 55s left/);
    expect(text).toContain('2 connected, 17 more known, 2.40 copies');
    expect(text).toContain('34.0 MiB, ratio 0.10   wasted 32.0 KiB twice');
    expect(text).toContain('qBittorrent 5.1.2');
    expect(text).toMatch(/pieces +[▒·+█]+/);
  });

  it('draws the speed of the past', () => {
    const rig = modelRig();
    for (let second = 0; second < 30; second++)
      rig.model.setSnapshot(
        session([torrent({ downRateBytesPerSec: second * 1e6 })], { atMs: second * 1000 }),
      );
    expect(rig.text()).toMatch(/↓ down +[\u2800-\u28ff]+ +27\.7 MiB\/s/);
    expect(rig.text(120, 40)).toContain('top 27.7 MiB/s');
  });

  it('says of a complete download where it lies, how long it took, its speed, ratio and waste', () => {
    const rig = modelRig();
    rig.model.setSnapshot(
      session([
        torrent({ state: 'seeding', completedAtMs: 101_000, verifiedBytes: 1000 << 20, etaMs: undefined }),
      ]),
    );
    const text = rig.text();
    expect(text).toContain('complete, seeding');
    expect(text).toMatch(/lies in +\/srv\/torrents/);
    expect(text).toMatch(/took +1m40s at 3\.40 MiB\/s on average/);
    expect(text).toContain('ratio 0.10');
    expect(text).toContain('32.0 KiB twice');
  });

  it.each([
    ['metadata', /metadata: asking peers for it/],
    ['checking', /checking what is on disk/],
    ['paused', /paused; p resumes/],
    ['error', /error; p tries again: no space left/],
    ['stopped', /stopped/],
  ] as const)('tells the state %s', (state, expected) => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent({ state, error: 'no space left' })]));
    expect(rig.text()).toMatch(expected);
  });

  it('says what it waits for while nothing comes, and nothing of it while something does', () => {
    const rig = modelRig();
    const account = transferAccount({ lastCause: 'pieces', connectedPeers: 2, availability: 0.87 });
    rig.model.setSnapshot(session([torrent({ account, downRateBytesPerSec: 0 })]));
    expect(rig.text(120, 40)).toContain(
      'waiting: 2 peers connected, and none has what is missing (0.87 copies seen)',
    );
    rig.model.setSnapshot(session([torrent({ account, downRateBytesPerSec: 5_000 })]));
    expect(rig.text()).toMatch(/state +downloading/);
    const alone = transferAccount({ lastCause: 'peers', connectedPeers: 0, knownPeers: 0 });
    rig.model.setSnapshot(session([torrent({ state: 'metadata', account: alone, downRateBytesPerSec: 0 })]));
    expect(rig.text()).toMatch(/metadata: no peers: no tracker/);
  });

  it('gives a direction without traffic one row, and the other the room', () => {
    const rig = modelRig();
    const rows = (upRateBytesPerSec: number): number => {
      for (let second = 0; second < 5; second++)
        rig.model.setSnapshot(
          session([torrent({ downRateBytesPerSec: 1e6, upRateBytesPerSec })], {
            atMs: second * 1000 + upRateBytesPerSec,
          }),
        );
      const lines = rig.rows(80, 24);
      return (
        lines.findIndex((line) => line.startsWith('↑ up')) -
        lines.findIndex((line) => line.startsWith('↓ down'))
      );
    };
    const alone = rows(0);
    expect(rows(1e6)).toBeLessThan(alone);
  });

  it('shows a magnet before its metadata', () => {
    const rig = modelRig();
    rig.model.setSnapshot(
      session([
        torrent({
          state: 'metadata',
          name: '',
          pieceCount: 0,
          wantedBytes: 0,
          totalBytes: 0,
          verifiedBytes: 0,
          files: [],
          pieces: new Uint8Array(0),
          openPieces: [],
          availability: undefined,
          etaMs: undefined,
        }),
      ]),
    );
    for (const key of ['1', '2', '3', '4', '5', '6']) {
      rig.press(key);
      expectFits(rig, 80, 24);
    }
    rig.press('2');
    expect(rig.text()).toContain('not known before the metadata');
  });
});

describe('panels', () => {
  it('peers: transport, flags, rates, why unchoked', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    rig.press('3');
    expect(rig.text()).toMatch(
      /> DU--E tcp +80\.0% 1\.50 MiB\/s +293 KiB\/s optimistic +qBittorrent 5\.1\.2/,
    );
    expect(rig.text(200, 60)).toMatch(/utp +tracker .*\[2001:db8::9\]:51413 +Transmission 4\.0\.6/);
    expect(rig.text()).toContain('chosen: 192.0.2.7:6881');
  });

  it('peers: how each was reached, in a column where there is room, else of the chosen one', () => {
    const rig = modelRig();
    const punched = peer({ transport: 'utp', reached: { rung: 'punch', ms: 419.6 } });
    const straight = peer({ client: 'aria2', downRateBytesPerSec: 1, reached: { rung: 'direct', ms: 31 } });
    rig.model.setSnapshot(
      session([torrent({ peers: [punched, straight, peer({ downRateBytesPerSec: 0 })] })]),
    );
    rig.press('3');
    expect(rig.text()).toMatch(/> DU--E punch /);
    expect(rig.text()).toMatch(/ {2}DU--E tcp .*aria2/);
    expect(rig.text()).toContain('chosen: 192.0.2.7:6881 by tracker over utp, punch in 420 ms  qBittorrent');
    expect(rig.text(120, 40)).toMatch(/> DU--E utp +punch 420 ms +80\.0%/);
    expect(rig.text(120, 40)).toMatch(/tcp +direct 31 ms .*aria2/);
    expect(rig.text(120, 40)).toMatch(/tcp {24}80\.0%/);
    expect(rig.text()).not.toContain('tried');
    const whole = {
      rung: 'tcp-punch',
      ms: 1_204,
      tried: ['direct', 'punch', 'tcp-punch'],
      own: 'eim',
      peer: 'apdm',
      relay: '203.0.113.9:7001',
    } as const;
    rig.model.setSnapshot(session([torrent({ peers: [peer({ reached: whole })] })]));
    expect(rig.text()).toContain('introduced by 203.0.113.9:7001; we are eim, it is apdm; tried direct, p…');
    expect(rig.text(120, 40)).toMatch(/tcp-punch 1204 ms +80\.0%/);
    expect(rig.text(120, 40)).toContain('; tried direct, punch, tcp-punch\n');
  });

  it('files: progress and priority', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    rig.press('4');
    expect(rig.text()).toMatch(/> {5}1 4 normal +100% +10\.0 MiB folder\/file-1\.bin/);
    expect(rig.text()).toMatch(/3 skip +100%/);
  });

  it('log: the newest at the bottom, and back in time', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    for (let i = 1; i <= 100; i++) rig.model.note(`line ${i} end`);
    rig.press('6');
    expect(rig.text()).toContain('line 100 end');
    expect(rig.text()).not.toContain('line 80 end');
    rig.press('up', 'page-up');
    expect(rig.text()).not.toContain('line 90 end');
    rig.press('home');
    expect(rig.text()).toContain('line 1 end');
    rig.press('end');
    expect(rig.text()).toContain('line 100 end');
  });

  it('several torrents: the list says what is wrong with one, and a panel which key leads back', () => {
    const rig = modelRig();
    const broken = torrent({ infoHash: 'b'.repeat(40), name: 'b', state: 'error', error: 'no space left' });
    rig.model.setSnapshot(session([torrent(), broken]));
    expect(rig.text()).toMatch(/error .*b: no space left/);
    expect(rig.rows().at(-1)).not.toContain('Esc');
    rig.press('enter');
    expect(rig.rows().at(-1)).toContain('Esc list');
    rig.model.setSnapshot(session([torrent()]));
    expect(rig.rows().at(-1)).not.toContain('Esc');
  });

  it('several torrents: a list with totals; one of them opens', () => {
    const rig = modelRig();
    rig.model.setSnapshot(
      session([
        torrent(),
        torrent({ infoHash: 'b'.repeat(40), name: 'second', state: 'paused', downRateBytesPerSec: 0 }),
      ]),
    );
    expect(rig.text()).toMatch(/> downloading +33\.3%.*debian/);
    expect(rig.text()).toMatch(/paused .*second/);
    expect(rig.text()).toContain('2 torrents, 33.3% of 1.95 GiB, 4 peers');
    rig.press('down', 'enter');
    expect(rig.rows()[0]).toContain('second');
    rig.press('escape');
    expect(rig.text()).toMatch(/> paused .*second/);
  });

  it('several torrents on a narrow screen: the names stay, other columns make room', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent(), torrent({ infoHash: 'b'.repeat(40), name: 'second' })]));
    for (const columns of [40, 50, 60, 80]) {
      const rows = rig.text(columns, 24).split('\n');
      expect(rows.some((row) => row.includes('second'))).toBe(true);
      expect(rows.some((row) => row.includes('debian'))).toBe(true);
    }
  });

  it('help lists every key of the table', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    rig.press('?');
    for (const size of [
      [120, 40],
      [200, 60],
    ] as const) {
      const text = rig.text(...size);
      for (const { label, help } of KEYS) expect(text).toContain(`${label.padEnd(15)} ${help}`);
    }
    expect(rig.text()).toContain('Up and Down for more');
    rig.press(...Array<string>(20).fill('down'));
    expect(rig.text()).toContain('Ctrl-C');
  });
});

describe('size', () => {
  const files = Array.from({ length: 10_000 }, (_, i) => file(i));
  const peers = Array.from({ length: 500 }, (_, i) =>
    peer({ address: `10.0.${i >> 8}.${i & 255}:1`, client: `client ${i}` }),
  );
  const huge = session([torrent({ pieceCount: 1_000_000, files, peers })]);

  it('10,000 files, 500 peers, a million pieces: only what is in sight is made', () => {
    const rig = modelRig();
    rig.model.setSnapshot(huge);
    for (const [columns, rows] of SIZES) {
      for (const key of ['1', '2', '3', '4', '5']) {
        rig.press(key);
        expectFits(rig, columns, rows);
      }
    }
    rig.press('4', 'end');
    expect(rig.text()).toContain('folder/file-10000.bin');
    expect(rig.text()).toMatch(/\d+-10000 of 10000/);
    rig.press('3', 'end');
    expect(rig.text()).toContain('of 500');
    rig.press('2');
    expect(rig.text()).toMatch(/one character is \d{3} pieces/);
  });

  it('the cursor stays in reach when the list shrinks', () => {
    const rig = modelRig();
    rig.model.setSnapshot(huge);
    rig.press('4', 'end');
    rig.model.setSnapshot(session([torrent()]));
    expect(rig.text()).toMatch(/> {5}3 skip/);
    rig.press('up');
    expect(rig.text()).toMatch(/> {5}2 4 normal/);
    rig.model.setSnapshot(session([]));
    expectFits(rig, 80, 24);
    expect(rig.text()).toContain('no torrents');
  });
});
