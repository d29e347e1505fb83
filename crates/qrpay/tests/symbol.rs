//! QR symbols against `qrcodegen` (the same symbol), `rqrr` (an independent reader) and the
//! figures of ISO/IEC 18004.

// what the tests share fails a test as its body does
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use interbank_qrpay::symbol::{
    Art, Background, Codeword, Colour, Layout, Level, Logo, LogoError, Mask, Options, PixelStyle,
    Segment, Segmentation, SvgError, SvgLogo, SvgStyle, Symbol, SymbolError, TerminalStyle,
    Version,
};
use proptest::prelude::*;
use qrcodegen::{QrCode, QrCodeEcc, QrSegment};

// ---- the same symbol as qrcodegen -----------------------------------------------------------

#[test]
fn qd12_same_symbol_as_qrcodegen_at_every_version_and_level() {
    let mut random = Random(1);
    for version in versions() {
        for level in Level::ALL {
            let options = Options { level, min_version: version, max_version: version, ..single() };
            // nearly full, so that the data decides and not the padding; the mode changes in turn
            let room = Layout::new(version, level).data_codewords() - 3;
            let text = match (usize::from(version.number()) + level as usize) % 3 {
                0 => random.text(DIGITS, room * 12 / 5),
                1 => random.text(ALPHANUMERIC, room * 16 / 11),
                _ => random.text(PRINTABLE, room),
            };
            let symbol = assert_same(&text, &options);
            assert_eq!((symbol.version(), symbol.level()), (version, level));
        }
    }
}

#[test]
fn qd12_same_symbol_as_qrcodegen_for_thousands_of_texts() {
    let mut random = Random(2);
    for round in 0..2_000 {
        let letters = [DIGITS, ALPHANUMERIC, PRINTABLE, "0", "AAB"][round % 5];
        let length = random.below(90) + usize::from(round % 50 == 0) * random.below(500);
        let options = Options {
            level: Level::ALL[random.below(4)],
            boost_level: random.below(2) == 1,
            min_version: Version::new(1 + u8::try_from(random.below(6)).unwrap()).unwrap(),
            ..single()
        };
        assert_same(&random.text(letters, length), &options);
    }
}

#[test]
fn qd12_same_symbol_as_qrcodegen_under_each_mask() {
    for (text, level) in [("01234567", Level::M), ("HELLO WORLD", Level::Q), (LOREM, Level::L)] {
        for mask in Mask::ALL {
            let options = Options { level, mask: Some(mask), ..single() };
            let symbol = assert_same(text, &options);
            assert_eq!(symbol.mask(), mask);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn qd12_same_symbol_as_qrcodegen_for_any_text(
        text in "\\PC{1,120}|[0-9]{1,300}|[0-9A-Z $%*+./:-]{1,200}",
        level in 0usize..4,
        boost_level in any::<bool>(),
    ) {
        assert_same(&text, &Options { level: Level::ALL[level], boost_level, ..single() });
    }

    #[test]
    fn qd12_any_text_is_read_back_or_refused(
        text in any::<String>().prop_filter("rqrr reads no empty text", |text| !text.is_empty()),
        level in 0usize..4,
        bounds in (1u8..=40, 1u8..=40),
        utf8_eci in any::<bool>(),
        single in any::<bool>(),
    ) {
        let options = Options {
            level: Level::ALL[level],
            min_version: Version::new(bounds.0).unwrap(),
            max_version: Version::new(bounds.1).unwrap(),
            segmentation: if single { Segmentation::Single } else { Segmentation::Smallest },
            utf8_eci,
            ..Options::default()
        };
        match Symbol::encode(&text, &options) {
            Ok(symbol) => {
                prop_assert!(symbol.version() >= options.min_version);
                prop_assert!(symbol.version() <= options.max_version);
                prop_assert_eq!(read_modules(&symbol), text);
            }
            Err(SymbolError::NoVersion) => prop_assert!(bounds.0 > bounds.1),
            Err(SymbolError::TooLong { needed_bits, capacity_bits }) => {
                prop_assert!(needed_bits > capacity_bits);
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }
}

// ---- figures of the standard ------------------------------------------------------------------

#[test]
fn qd12_iso_annex_i_codewords() {
    let options = Options { max_version: Version::MIN, ..Options::default() };
    let symbol = Symbol::encode("01234567", &options).unwrap();
    let data = "10 20 0C 56 61 80 EC 11 EC 11 EC 11 EC 11 EC 11";
    let check = "A5 24 D4 C1 ED 36 C7 87 2C 55";
    let mut codewords: BTreeMap<Codeword, u8> = BTreeMap::new();
    for (codeword, x, y) in symbol.layout().data_modules() {
        let bit = symbol.is_dark(x, y) != inverts(symbol.mask(), x, y);
        let byte = codewords.entry(codeword).or_default();
        *byte = *byte << 1 | u8::from(bit);
    }
    let read: Vec<String> = codewords.values().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(read.join(" "), format!("{data} {check}"));
}

#[test]
fn qd12_format_and_version_information() {
    for (level, mask, bits) in
        [(Level::M, 5, 0b100000011001110_u32), (Level::L, 4, 0b110011000101111)]
    {
        // found by choosing, not only by being told
        for (given, found) in [(Mask::new(mask), Mask::new(mask)), (None, None)] {
            let options = Options { level, mask: given, ..Options::default() };
            let symbol = Symbol::encode("01234567", &options).unwrap();
            if found == Some(symbol.mask()) {
                assert_eq!(format_bits(&symbol), [bits, bits]);
            }
            let [first, second] = format_bits(&symbol);
            assert_eq!(first, second);
            assert_eq!((first ^ 0x5412) >> 10 & 7, u32::from(symbol.mask().number()));
        }
    }
    let seven = Version::new(7).unwrap();
    let symbol =
        Symbol::encode("7", &Options { min_version: seven, ..Options::default() }).unwrap();
    let bits = (0..18).map(|i| u32::from(symbol.is_dark(34 + i % 3, i / 3)) << i).sum::<u32>();
    assert_eq!(bits, 0b000111110010010100);
}

#[test]
fn qd12_capacities_of_the_largest_symbol() {
    let at = |level| Options { level, ..Options::default() };
    for (level, digits, letters, bytes) in [
        (Level::L, 7089, 4296, 2953),
        (Level::M, 5596, 3391, 2331),
        (Level::Q, 3993, 2420, 1663),
        (Level::H, 3057, 1852, 1273),
    ] {
        for (letter, most) in [("7", digits), ("A", letters), ("a", bytes)] {
            let full = Symbol::encode(&letter.repeat(most), &at(level)).unwrap();
            assert_eq!(full.version(), Version::MAX);
            let refused = Symbol::encode(&letter.repeat(most + 1), &at(level)).unwrap_err();
            let SymbolError::TooLong { needed_bits, capacity_bits } = refused else {
                panic!("{refused:?}");
            };
            assert!(needed_bits > capacity_bits);
            let data = Layout::new(Version::MAX, level).data_codewords();
            assert_eq!(capacity_bits, 8 * data);
        }
    }
    assert!(Symbol::encode(&"x".repeat(1 << 20), &at(Level::L)).is_err());
}

#[test]
fn qd12_layout_gives_each_module_one_place() {
    for version in versions() {
        for level in Level::ALL {
            let layout = Layout::new(version, level);
            // modules of each codeword
            let mut blocks = vec![Vec::new(); layout.blocks()];
            let mut data_modules = 0;
            for (codeword, x, y) in layout.data_modules() {
                assert!(!layout.is_function(x, y));
                let block: &mut Vec<u32> = &mut blocks[codeword.block];
                block.resize(block.len().max(codeword.index + 1), 0);
                block[codeword.index] += 1;
                data_modules += 1;
            }
            assert!(blocks.is_sorted_by_key(Vec::len));
            assert!(blocks[blocks.len() - 1].len() - blocks[0].len() <= 1);
            assert!(blocks.iter().flatten().all(|&modules| modules == 8));
            if level == Level::L {
                let places = layout.data_modules().map(|(_, x, y)| (x, y));
                assert_eq!(places.collect::<BTreeSet<_>>().len(), data_modules);
                // remainder modules: at most seven (ISO/IEC 18004 table 1)
                let size = version.size();
                let free = (0..size * size).filter(|i| !layout.is_function(i % size, i / size));
                assert!(free.count() - data_modules <= 7);
            }
        }
    }
}

// ---- reading back -----------------------------------------------------------------------------

#[test]
fn qd12_read_back_from_pixels_at_every_level() {
    for level in Level::ALL {
        for text in ["QP1.AQAKT1JERVItMDAwMQ", "01234567890123456789", "PAY TO: BOOK/SHOP", LOREM] {
            for module_px in [2, 3, 5] {
                let options = Options { level, ..Options::default() };
                let symbol = Symbol::encode(text, &options).unwrap();
                let pixels = symbol.pixels(&PixelStyle { module_px, ..PixelStyle::default() });
                assert_eq!(pixels.side_px(), (symbol.size() + 8) * usize::from(module_px));
                let read = read_pixels(pixels.side_px(), |x, y| pixels.luma(x, y));
                assert_eq!(read.as_deref(), Ok(text), "{level:?} {module_px}");
            }
        }
    }
}

#[test]
fn qd12_read_back_after_damage_up_to_the_level() {
    let mut random = Random(3);
    for number in [1, 2, 3, 4, 7, 14, 24, 40] {
        let version = Version::new(number).unwrap();
        for level in Level::ALL {
            let layout = Layout::new(version, level);
            let text = random.text(PRINTABLE, layout.data_codewords() - 3);
            let options = Options { level, min_version: version, ..single() };
            let symbol = Symbol::encode(&text, &options).unwrap();
            assert_eq!((symbol.version(), symbol.level()), (version, level));
            assert_eq!(read_modules(&symbol), text);

            let flipped = damage(&layout, &mut random, |_| layout.correctable());
            let wrong = flipped.iter().filter(|&(_, &bits)| bits != 0).count();
            assert_eq!(wrong, layout.correctable() * layout.blocks());
            assert_eq!(
                read_damaged(&symbol, &flipped).as_deref(),
                Ok(&*text),
                "{number} {level:?}"
            );

            // one codeword more in one block is more than the level bears; up to version 3 the
            // reader spends the codewords that are meant for telling misreads
            if number > 3 {
                let flipped = damage(&layout, &mut random, |block| {
                    layout.correctable() + usize::from(block == 0)
                });
                assert_ne!(read_damaged(&symbol, &flipped).as_deref(), Ok(&*text));
            }
        }
    }
}

#[test]
fn qd12_utf8_with_and_without_its_mark() {
    for text in ["最佳运输", "Café São João", "naïve €5"] {
        let plain = Symbol::encode(text, &Options::default()).unwrap();
        let options = Options { utf8_eci: true, ..Options::default() };
        let marked = Symbol::encode(text, &options).unwrap();
        assert_ne!(plain, marked);
        assert_eq!(read_modules(&plain), text);
        assert_eq!(read_modules(&marked), text);
        let segments = [Segment::eci(26).unwrap(), Segment::bytes(text.as_bytes())];
        assert_eq!(Symbol::encode_segments(&segments, &Options::default()).unwrap(), marked);
    }
    // no mark where none is needed
    let options = Options { utf8_eci: true, ..Options::default() };
    assert_eq!(Symbol::encode(LOREM, &options), Symbol::encode(LOREM, &Options::default()));
}

#[test]
fn qd12_mixed_modes_only_where_they_save_a_version() {
    let url = "https://pay.example/?id=00000000000000000000000000000000000000000001";
    let small = Symbol::encode(url, &Options::default()).unwrap();
    let plain = Symbol::encode(url, &single()).unwrap();
    assert_eq!((small.version().number(), plain.version().number()), (4, 5));
    assert_eq!(read_modules(&small), url);
    let segments = [Segment::bytes(&url.as_bytes()[..24]), Segment::numeric(&url[24..]).unwrap()];
    assert_eq!(Symbol::encode_segments(&segments, &Options::default()), Ok(small));
    // a saving that leaves the version as it is is no reason
    let short = "a0123456";
    assert_eq!(Symbol::encode(short, &Options::default()), Symbol::encode(short, &single()));
}

#[test]
fn qd12_segments_refuse_what_their_mode_lacks() {
    assert_eq!(Segment::numeric("12a"), Err(SymbolError::NotNumeric { at: 2 }));
    assert_eq!(Segment::alphanumeric("A,B"), Err(SymbolError::NotAlphanumeric { at: 1 }));
    assert_eq!(Segment::alphanumeric("é"), Err(SymbolError::NotAlphanumeric { at: 0 }));
    let assignment = 1_000_000;
    assert_eq!(Segment::eci(assignment), Err(SymbolError::NoSuchEci { assignment }));
    // all three lengths of an ECI mark, as qrcodegen writes them
    for assignment in [0, 26, 127, 128, 16_383, 16_384, 999_999] {
        let segments = [Segment::eci(assignment).unwrap(), Segment::bytes(b"x")];
        let ours = Symbol::encode_segments(&segments, &Options::default()).unwrap();
        let theirs = [QrSegment::make_eci(assignment), QrSegment::make_bytes(b"x")];
        assert_equal(&ours, &qrcodegen_of(&theirs, &Options::default()));
    }
}

#[test]
fn qd12_boost_uses_the_room_that_is_left() {
    let symbol = Symbol::encode("123", &Options { boost_level: true, ..single() }).unwrap();
    assert_eq!((symbol.version(), symbol.level()), (Version::MIN, Level::H));
}

// ---- drawings ---------------------------------------------------------------------------------

#[test]
fn q04_another_identifier_or_challenge_is_another_symbol() {
    let symbol = |text: &str| Symbol::encode(text, &Options::default()).unwrap();
    let first = symbol("ORDER-0001/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    let other_order = symbol("ORDER-0002/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    let other_challenge = symbol("ORDER-0001/a0a1a2a3a4a5a6a7a8a9aaabacadaeb0");
    assert_ne!(first, other_order);
    assert_ne!(first, other_challenge);
    assert_ne!(other_order, other_challenge);
    assert_eq!(read_modules(&first), "ORDER-0001/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
}

#[test]
fn q05_svg_shows_exactly_the_symbol() {
    for number in [1, 6, 11, 12, 27, 28, 40] {
        let min_version = Version::new(number).unwrap();
        let symbol = Symbol::encode(LOREM, &Options { min_version, ..single() }).unwrap();
        for quiet in [0, 4, 255] {
            let style = SvgStyle { quiet_zone_modules: quiet, ..SvgStyle::default() };
            let svg = symbol.to_svg(&style).unwrap();
            let quiet = usize::from(quiet);
            let side = symbol.size() + 2 * quiet;
            assert!(svg.contains(&format!(" viewBox=\"0 0 {side} {side}\"")));
            let modules = svg_modules(&svg, side);
            for y in 0..side {
                for x in 0..side {
                    assert_eq!(modules[y * side + x], dark_at(&symbol, x, y, quiet), "{x} {y}");
                }
            }
        }
    }
}

#[test]
fn q05_svg_sizes_colours_and_title() {
    let symbol = Symbol::encode("A", &Options::default()).unwrap();
    let style = SvgStyle {
        module_px: Some(3),
        dark: Colour { red: 0x0a, green: 0x20, blue: 0x60 },
        title: Some("\"Fish & <chips>\" 'n' \u{1}\u{ffff} é"),
        ..SvgStyle::default()
    };
    let svg = symbol.to_svg(&style).unwrap();
    assert!(svg.contains(" viewBox=\"0 0 87 87\" width=\"87\" height=\"87\""));
    // The top left finder begins with its seven dark modules, after four light ones, three pixels each.
    assert!(svg.contains("d=\"M12 12h21v3h-21z"), "drawn in pixels");
    assert!(svg.contains("fill=\"#0a2060\" shape-rendering=\"crispEdges\""));
    let escaped = "&quot;Fish &amp; &lt;chips&gt;&quot; &#39;n&#39; \u{fffd}\u{fffd} é";
    assert!(svg.contains(&format!(" aria-label=\"{escaped}\"><title>{escaped}</title>")));
}

#[test]
fn q05_svg_refuses_colours_that_cannot_be_read() {
    let symbol = Symbol::encode("A", &Options::default()).unwrap();
    let grey = |level| Colour { red: level, green: level, blue: level };
    let drawn = |dark, light| symbol.to_svg(&SvgStyle { dark, light, ..SvgStyle::default() });
    assert_eq!(
        drawn(Colour::WHITE, Colour::BLACK),
        Err(SvgError::LowContrast { contrast_percent: -100 })
    );
    assert!(drawn(grey(0), grey(102)).is_ok());
    assert_eq!(drawn(grey(0), grey(101)), Err(SvgError::LowContrast { contrast_percent: 39 }));
    // pure yellow on white is bright on bright
    let yellow = Colour { red: 255, green: 255, blue: 0 };
    assert_eq!(drawn(yellow, Colour::WHITE), Err(SvgError::LowContrast { contrast_percent: 7 }));
}

#[test]
fn q05_terminal_shows_exactly_the_symbol() {
    for (background, quiet_zone_modules) in [
        (Background::Dark, 4),
        (Background::Light, 4),
        (Background::Dark, 2),
        (Background::Light, 0),
    ] {
        let symbol = Symbol::encode(LOREM, &Options::default()).unwrap();
        let style = TerminalStyle { quiet_zone_modules, background };
        let drawing = symbol.to_terminal(&style);
        let quiet = usize::from(quiet_zone_modules);
        let side = symbol.size() + 2 * quiet;
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for line in drawing.lines() {
            let halves = |upper: bool| {
                line.chars().map(move |c| match c {
                    '█' => true,
                    '▀' => upper,
                    '▄' => !upper,
                    ' ' => false,
                    other => panic!("{other:?}"),
                })
            };
            rows.push(halves(true).collect());
            rows.push(halves(false).collect());
        }
        assert_eq!(rows.len(), side + 1);
        assert!(rows[side].iter().all(|ink| !ink), "ink below the drawing");
        let dark = |x: usize, y: usize| rows[y][x] == (background == Background::Light);
        assert!(rows.iter().all(|row| row.len() == side));
        for y in 0..side {
            for x in 0..side {
                assert_eq!(dark(x, y), dark_at(&symbol, x, y, quiet));
            }
        }
        if quiet == 4 {
            let luma = |x: usize, y: usize| if dark(x / 3, y / 3) { 0 } else { 255 };
            assert_eq!(read_pixels(3 * side, luma).as_deref(), Ok(LOREM));
        }
    }
}

#[test]
fn q05_pixels_show_exactly_the_symbol() {
    let symbol = Symbol::encode("PIXELS", &Options::default()).unwrap();
    let style = PixelStyle { quiet_zone_modules: 1, module_px: 2 };
    let pixels = symbol.pixels(&style);
    let side = pixels.side_px();
    assert_eq!(side, 46);
    let all: Vec<u8> = pixels.iter().collect();
    assert_eq!(all.len(), side * side);
    for y in 0..side {
        for x in 0..side {
            let dark = dark_at(&symbol, x / 2, y / 2, 1);
            assert_eq!(all[y * side + x], if dark { 0 } else { 255 });
        }
    }
    assert_eq!(pixels.luma(side, 0), 255);
    // no size of zero
    assert_eq!(symbol.pixels(&PixelStyle { module_px: 0, ..style }).side_px(), 23);
}

#[cfg(feature = "png")]
#[test]
fn q05_png_shows_exactly_the_symbol() {
    use interbank_qrpay::symbol::PngError;

    for (quiet_zone_modules, module_px) in [(4, 4), (0, 1), (3, 7)] {
        let symbol = Symbol::encode(LOREM, &Options::default()).unwrap();
        let style = PixelStyle { quiet_zone_modules, module_px };
        let file = symbol.to_png(&style).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let info = reader.info();
        assert_eq!(info.color_type, png::ColorType::Grayscale);
        assert_eq!(info.bit_depth, png::BitDepth::One);
        let pixels = symbol.pixels(&style);
        let side = pixels.side_px();
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        let luma = |x: usize, y: usize| match bytes[y * frame.line_size + x / 8] >> (7 - x % 8) & 1
        {
            0 => 0,
            _ => 255,
        };
        for y in 0..side {
            for x in 0..side {
                assert_eq!(luma(x, y), pixels.luma(x, y));
            }
        }
        if quiet_zone_modules == 4 {
            assert_eq!(read_pixels(side, luma).as_deref(), Ok(LOREM));
        }
    }
    let symbol = Symbol::encode("A", &Options::default()).unwrap();
    let style = PixelStyle { quiet_zone_modules: 4, module_px: 565 };
    assert_eq!(symbol.to_png(&style), Err(PngError::TooLarge { side_px: 16_385 }));
}

// ---- logos ------------------------------------------------------------------------------------

#[test]
fn qd12_read_back_under_a_logo_of_any_colour() {
    let mut random = Random(4);
    let text = random.text(PRINTABLE, 40);
    let mut borne = 0;
    for level in Level::ALL {
        for number in [2, 4, 6, 14, 17, 28] {
            let min_version = Version::new(number).unwrap();
            let symbol =
                Symbol::encode(&text, &Options { level, min_version, ..single() }).unwrap();
            for side in [1, 2, 3, 4, 5, 6, 7, 9, 12, 15] {
                // all that a reader can put right, and nothing left
                let logo = Logo { reserve_percent: 0, ..Logo::new(side, side.div_ceil(2)) };
                let Ok(clearing) = logo.place(&symbol.layout()) else { continue };
                assert!(clearing.lost_codewords <= symbol.layout().correctable());
                let noise: Vec<bool> =
                    (0..clearing.width * clearing.height).map(|_| random.below(2) == 1).collect();
                let dark = |x, y| {
                    if clearing.covers(x, y) {
                        noise[(y - clearing.y) * clearing.width + x - clearing.x]
                    } else {
                        symbol.is_dark(x, y)
                    }
                };
                let grid = rqrr::Grid::new(rqrr::SimpleGrid::from_func(symbol.size(), dark));
                assert_eq!(grid.decode().unwrap().1, text, "{number} {level:?} {side}");
                borne += 1;
            }
        }
    }
    assert!(borne > 60, "{borne}");
}

#[test]
fn qd12_logo_is_refused_with_numbers() {
    let place =
        |logo: Logo, number, level| logo.place(&Layout::new(Version::new(number).unwrap(), level));
    assert_eq!(place(Logo::new(0, 5), 5, Level::H), Err(LogoError::NoArea));
    let error = LogoError::TooLarge { logo_modules: 22, symbol_modules: 21 };
    assert_eq!(place(Logo::new(22, 1), 1, Level::H), Err(error));
    // the alignment pattern in the middle of version 7
    let error = LogoError::OnFunctionModule { x: 22, y: 22 };
    assert_eq!(place(Logo::new(1, 1), 7, Level::H), Err(error));
    // 11 x 11 modules are far more than version 5 at level L can restore
    let refused = place(Logo::new(11, 11), 5, Level::L).unwrap_err();
    let LogoError::OverBudget { block: 0, lost_codewords, allowed: 6, correctable: 13 } = refused
    else {
        panic!("{refused:?}");
    };
    assert!(lost_codewords >= 16, "121 modules are at least 16 codewords: {lost_codewords}");
    // the reserve decides
    let logo = Logo::new(9, 5);
    let lost = place(Logo { reserve_percent: 0, ..logo }, 5, Level::M).unwrap().lost_codewords;
    let correctable = Layout::new(Version::new(5).unwrap(), Level::M).correctable();
    assert!(lost > correctable / 2);
    let refused = place(logo, 5, Level::M).unwrap_err();
    let allowed = correctable / 2;
    assert!(matches!(refused, LogoError::OverBudget { lost_codewords, allowed: a, .. }
        if (lost_codewords, a) == (lost, allowed)));
    let full = Logo { reserve_percent: 100, ..Logo::new(1, 1) };
    assert!(matches!(place(full, 5, Level::H), Err(LogoError::OverBudget { allowed: 0, .. })));
}

#[test]
fn qd12_logo_finds_a_version_that_bears_it() {
    let options = Options { level: Level::H, ..Options::default() };
    let logo = Logo::new(13, 13);
    // 62 bytes need version 7, which like all up to 13 has an alignment pattern in the middle
    let text = &LOREM.repeat(2)[..62];
    assert_eq!(Symbol::encode(text, &options).unwrap().version().number(), 7);
    let symbol = Symbol::encode_with_logo(text, &options, &logo).unwrap();
    assert_eq!(symbol.version().number(), 14);
    assert!(logo.place(&symbol.layout()).is_ok());
    assert_eq!(read_modules(&symbol), text);
    let six = Options { max_version: Version::new(6).unwrap(), ..options };
    let logo = Logo::new(17, 17);
    let refused = Symbol::encode_with_logo("A", &six, &logo).unwrap_err();
    assert!(matches!(refused, SymbolError::Logo(LogoError::OverBudget { .. })), "{refused:?}");
    // a text that does not fit at all is no fault of the logo
    let refused = Symbol::encode_with_logo(&"a".repeat(3000), &Options::default(), &logo);
    assert!(matches!(refused, Err(SymbolError::TooLong { .. })));
}

#[test]
fn q05_svg_draws_nothing_under_the_logo() {
    let options = Options { level: Level::H, ..Options::default() };
    // even sides: the box lies half a module off the modules
    let logo = Logo::new(6, 5);
    let symbol = Symbol::encode_with_logo(LOREM, &options, &logo).unwrap();
    let clearing = logo.place(&symbol.layout()).unwrap();
    assert_eq!((clearing.width, clearing.height), (7, 5));
    let fragment = Art::Fragment { width: 60, height: 50, svg: "<circle r=\"9\"/>" };
    for (art, expected) in [
        (fragment, " viewBox=\"0 0 60 50\"><circle r=\"9\"/></svg></svg>"),
        (
            Art::DataUri("data:image/png;base64,AA==\"&"),
            " href=\"data:image/png;base64,AA==&quot;&amp;\"/></svg>",
        ),
    ] {
        let style = SvgStyle { logo: Some(SvgLogo { logo, art }), ..SvgStyle::default() };
        let svg = symbol.to_svg(&style).unwrap();
        let side = symbol.size() + 8;
        let (x, y) = ((side - 6) / 2, (side - 5) / 2);
        let place = format!(" x=\"{x}.5\" y=\"{y}\" width=\"6\" height=\"5\"{expected}");
        assert!(svg.ends_with(&place), "{svg}");
        let modules = svg_modules(&svg, side);
        for y in 0..symbol.size() {
            for x in 0..symbol.size() {
                let dark = symbol.is_dark(x, y) && !clearing.covers(x, y);
                assert_eq!(modules[(y + 4) * side + x + 4], dark);
            }
        }
        let luma = |x: usize, y: usize| if modules[y / 3 * side + x / 3] { 0 } else { 255 };
        assert_eq!(read_pixels(3 * side, luma).as_deref(), Ok(LOREM));
    }
    for (art, error) in [
        (Art::DataUri("https://example.com/logo.png"), SvgError::NotADataUri),
        (Art::Fragment { width: 0, height: 1, svg: "" }, SvgError::FragmentWithoutArea),
    ] {
        let style = SvgStyle { logo: Some(SvgLogo { logo, art }), ..SvgStyle::default() };
        assert_eq!(symbol.to_svg(&style), Err(error));
    }
    let plain = Symbol::encode("A", &Options::default()).unwrap();
    let style = SvgStyle {
        logo: Some(SvgLogo { logo, art: Art::DataUri("data:image/png,") }),
        ..SvgStyle::default()
    };
    assert!(matches!(
        plain.to_svg(&style),
        Err(SvgError::Logo(LogoError::OnFunctionModule { .. }))
    ));
}

#[test]
fn qd12_error_codes_are_distinct() {
    let too_long = SymbolError::TooLong { needed_bits: 9, capacity_bits: 8 };
    let logo = LogoError::OverBudget { block: 0, lost_codewords: 2, allowed: 1, correctable: 3 };
    let codes = [
        too_long.code(),
        SymbolError::NoVersion.code(),
        SymbolError::NotNumeric { at: 0 }.code(),
        SymbolError::NotAlphanumeric { at: 0 }.code(),
        SymbolError::NoSuchEci { assignment: 0 }.code(),
        LogoError::NoArea.code(),
        LogoError::TooLarge { logo_modules: 0, symbol_modules: 0 }.code(),
        LogoError::OnFunctionModule { x: 0, y: 0 }.code(),
        logo.code(),
        SvgError::LowContrast { contrast_percent: 0 }.code(),
        SvgError::NotADataUri.code(),
        SvgError::FragmentWithoutArea.code(),
    ];
    assert!(codes.is_sorted_by(|a, b| a < b) && codes.iter().all(|code| code / 100 == 27));
    assert_eq!(SymbolError::from(logo.clone()).code(), logo.code());
    assert_eq!(too_long.to_string(), "content needs 9 bits, the symbol holds 8");
}

// ---- help -------------------------------------------------------------------------------------

const LOREM: &str = "QP1.Lorem-ipsum_dolor-sit_amet.consectetur-adipiscing_elit";
const DIGITS: &str = "0123456789";
const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const PRINTABLE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!&=?";

/// Same steps on every run: a linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn text(&mut self, letters: &str, length: usize) -> String {
        let letters = letters.as_bytes();
        (0..length).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }
}

fn single() -> Options {
    Options { segmentation: Segmentation::Single, ..Options::default() }
}

fn versions() -> impl Iterator<Item = Version> {
    (1..=40).filter_map(Version::new)
}

fn assert_same(text: &str, options: &Options) -> Symbol {
    let ours = Symbol::encode(text, options).unwrap();
    assert_equal(&ours, &qrcodegen_of(&QrSegment::make_segments(text), options));
    ours
}

fn qrcodegen_of(segments: &[QrSegment], options: &Options) -> QrCode {
    let level = [QrCodeEcc::Low, QrCodeEcc::Medium, QrCodeEcc::Quartile, QrCodeEcc::High]
        [Level::ALL.iter().position(|&level| level == options.level).unwrap()];
    QrCode::encode_segments_advanced(
        segments,
        level,
        qrcodegen::Version::new(options.min_version.number()),
        qrcodegen::Version::new(options.max_version.number()),
        options.mask.map(|mask| qrcodegen::Mask::new(mask.number())),
        options.boost_level,
    )
    .unwrap()
}

fn assert_equal(ours: &Symbol, theirs: &QrCode) {
    assert_eq!(ours.version().number(), theirs.version().value());
    assert_eq!(ours.mask().number(), theirs.mask().value());
    for (y, their_y) in (0..ours.size()).zip(0..) {
        for (x, their_x) in (0..ours.size()).zip(0..) {
            assert_eq!(ours.is_dark(x, y), theirs.get_module(their_x, their_y), "{x} {y}");
        }
    }
}

fn read_modules(symbol: &Symbol) -> String {
    read_damaged(symbol, &BTreeMap::new()).unwrap()
}

/// Reads the symbol with the modules of some codewords flipped.
fn read_damaged(
    symbol: &Symbol,
    flipped: &BTreeMap<Codeword, u8>,
) -> Result<String, rqrr::DeQRError> {
    let mut flips = BTreeSet::new();
    let mut bit: BTreeMap<Codeword, u8> = BTreeMap::new();
    for (codeword, x, y) in symbol.layout().data_modules() {
        let bit = bit.entry(codeword).or_insert(8);
        *bit -= 1;
        if flipped.get(&codeword).is_some_and(|bits| bits >> *bit & 1 == 1) {
            flips.insert((x, y));
        }
    }
    let dark = |x, y| symbol.is_dark(x, y) != flips.contains(&(x, y));
    let grid = rqrr::Grid::new(rqrr::SimpleGrid::from_func(symbol.size(), dark));
    grid.decode().map(|(_, text)| text)
}

/// Wrong bits for `count(block)` codewords of each block.
fn damage(
    layout: &Layout,
    random: &mut Random,
    count: impl Fn(usize) -> usize,
) -> BTreeMap<Codeword, u8> {
    let mut blocks = vec![0; layout.blocks()];
    for (codeword, _, _) in layout.data_modules() {
        blocks[codeword.block] = blocks[codeword.block].max(codeword.index + 1);
    }
    let mut flipped = BTreeMap::new();
    for (block, length) in blocks.into_iter().enumerate() {
        let mut places: Vec<usize> = (0..length).collect();
        for _ in 0..count(block) {
            let index = places.swap_remove(random.below(places.len()));
            let bits = u8::try_from(1 + random.below(255)).unwrap();
            flipped.insert(Codeword { block, index }, bits);
        }
    }
    flipped
}

fn read_pixels(side: usize, luma: impl Fn(usize, usize) -> u8) -> Result<String, String> {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, luma);
    let grids = image.detect_grids();
    match &grids[..] {
        [grid] => grid.decode().map(|(_, text)| text).map_err(|error| error.to_string()),
        _ => Err(format!("{} symbols", grids.len())),
    }
}

fn dark_at(symbol: &Symbol, x: usize, y: usize, quiet: usize) -> bool {
    x >= quiet && y >= quiet && symbol.is_dark(x - quiet, y - quiet)
}

fn format_bits(symbol: &Symbol) -> [u32; 2] {
    let size = symbol.size();
    let first = (0..15).map(|bit| match bit {
        0..6 => (8, bit),
        6 => (8, 7),
        7 => (8, 8),
        8 => (7, 8),
        _ => (14 - bit, 8),
    });
    let second =
        (0..15).map(|bit| if bit < 8 { (size - 1 - bit, 8) } else { (8, size - 15 + bit) });
    let read = |places: &mut dyn Iterator<Item = (usize, usize)>| {
        places.enumerate().map(|(bit, (x, y))| u32::from(symbol.is_dark(x, y)) << bit).sum()
    };
    [read(&mut { first }), read(&mut { second })]
}

fn inverts(mask: Mask, x: usize, y: usize) -> bool {
    let remainder = match mask.number() {
        0 => (x + y) % 2,
        1 => y % 2,
        2 => x % 3,
        3 => (x + y) % 3,
        4 => (x / 3 + y / 2) % 2,
        5 => x * y % 2 + x * y % 3,
        6 => (x * y % 2 + x * y % 3) % 2,
        _ => ((x + y) % 2 + x * y % 3) % 2,
    };
    remainder == 0
}

/// Fills the boxes of the document's last path; panics on anything that is not such a box.
fn svg_modules(svg: &str, side: usize) -> Vec<bool> {
    let path = svg.split(" shape-rendering=\"crispEdges\" d=\"").nth(1).unwrap();
    let path = path.split('"').next().unwrap();
    let mut modules = vec![false; side * side];
    let (mut x, mut y) = (0, 0);
    for one in path.split_terminator('z') {
        let (to, run) = one.split_once('h').unwrap();
        let (at_x, at_y) = to[1..].split_once(' ').unwrap();
        let at: (usize, usize) = (at_x.parse().unwrap(), at_y.parse().unwrap());
        match &to[..1] {
            "M" => (x, y) = at,
            "m" => (x, y) = (x + at.0, y + at.1),
            other => panic!("{other}"),
        }
        let (length, back) = run.split_once("v1h-").unwrap();
        assert_eq!(length, back);
        for x in x..x + length.parse::<usize>().unwrap() {
            assert!(!modules[y * side + x], "drawn twice");
            modules[y * side + x] = true;
        }
    }
    modules
}
