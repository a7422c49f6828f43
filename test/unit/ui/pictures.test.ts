// The SVG pictures: every character in its cell, whatever its width; styles that the screen has and no others.
import { describe, expect, it } from 'vitest';
import { dhtPicture, modelRig, session, torrent } from '../../support/screen-rig.ts';
import { runsOf, svgOfScreen } from '../../support/svg.ts';

describe('pictures', () => {
  it('keep wide and combining characters in their columns', () => {
    const svg = svgOfScreen(['漢字 e\u0301x', '\u001b[1;36mq\u001b[22;39m & <quit>'], 20, 'a < b');
    // Four columns of two wide characters, a space, two single ones: 7 cells of 8.
    expect(svg).toContain('textLength="56"');
    expect(svg).toContain('fill="#5fc3d0" font-weight="bold" xml:space="preserve">q<');
    expect(svg).toContain('&amp; &lt;quit&gt;');
    expect(svg).toContain('<title>a &lt; b</title>');
    expect(svg).toMatch(/^<svg [^>]*width="184" height="58"/);
  });

  it('know every style of the screen, and refuse others', () => {
    const rig = modelRig({ hasColor: true });
    rig.model.setSnapshot(session([torrent()], { dht: dhtPicture() }));
    for (const key of ['1', '2', '3', '4', '5', '6', '?']) {
      rig.press(key);
      expect(svgOfScreen(rig.model.frame(120, 40), 120, 'x')).toContain('</svg>');
    }
    expect(() => runsOf('\u001b[48;5;1mx')).toThrow(/style/);
  });

  it('draw graphs instead of writing them', () => {
    const svg = svgOfScreen(['⣿⣿⣀', '█▌░'], 3, 'x');
    expect(svg).not.toMatch(/[⣿⣀█▌░]/);
    // The lowest row of dots goes through all three cells.
    expect(svg).toMatch(/h22\.4/);
    expect(svg).toContain('fill-opacity="0.25"');
  });
});
