//! Pictures: those that a request brings, and a drawing where it brings none.

use bytes::Bytes;

use super::design::Design;
use super::model::{Format, Picture, Rect};
use crate::hash;

const WIDTH: u32 = 800;
const HEIGHT: u32 = 450;
const HILLS: usize = 5;

/// A picture of a request, if every program that reads presentations shows its format.
pub fn sent(data: Vec<u8>) -> Option<Picture> {
    let format = match imagesize::image_type(&data).ok()? {
        imagesize::ImageType::Png => Format::Png,
        imagesize::ImageType::Jpeg => Format::Jpeg,
        imagesize::ImageType::Gif => Format::Gif,
        _ => return None,
    };
    let size = imagesize::blob_size(&data).ok()?;
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|side| (1..=100_000).contains(side));
    Some(Picture {
        pixels: (side(size.width)?, side(size.height)?),
        data: data.into(),
        format,
        description: "A reference image that was sent".into(),
    })
}

/// A drawing of hills in the colours of the design. It is random, and the same each time for this seed.
pub fn drawn(design: &Design, seed: &str) -> Option<Picture> {
    let chance = |what: usize| {
        let number = hash::number(&[b"picture", seed.as_bytes(), &what.to_le_bytes()]);
        ((number >> 11) as f64) / ((1_u64 << 53) as f64)
    };
    let shifts: [[f64; 3]; HILLS] =
        std::array::from_fn(|hill| std::array::from_fn(|number| chance(10 * (hill + 1) + number)));
    let sun = (
        (f64::from(WIDTH) * (0.15 + 0.7 * chance(0))) as i64,
        (f64::from(HEIGHT) * (0.2 + 0.15 * chance(1))) as i64,
    );
    let radius = i64::from(HEIGHT / 11);
    // The colours: the sky, the sun, and the hills from the farthest to the nearest.
    let mut image = vec![0_u8; (WIDTH * HEIGHT) as usize];
    let skyline: Vec<[u32; HILLS]> = (0..WIDTH)
        .map(|x| {
            let across = f64::from(x) / f64::from(WIDTH);
            std::array::from_fn(|hill| {
                let wave = |long: f64, shift: f64| ((across * long + shift) * std::f64::consts::TAU).sin();
                let [one, two, three] = shifts[hill];
                let top = 0.45 + 0.11 * hill as f64;
                let top = top + 0.06 * wave(1.1, one) + 0.03 * wave(2.7, two) + 0.012 * wave(6.3, three);
                (top * f64::from(HEIGHT)) as u32
            })
        })
        .collect();
    for (y, row) in (0..HEIGHT).zip(image.chunks_exact_mut(WIDTH as usize)) {
        for ((x, pixel), tops) in (0..WIDTH).zip(row).zip(&skyline) {
            *pixel = match tops.iter().rposition(|top| y >= *top) {
                Some(hill) => 2 + hill as u8,
                None => {
                    let (right, down) = (i64::from(x) - sun.0, i64::from(y) - sun.1);
                    u8::from(right * right + down * down < radius * radius)
                }
            };
        }
    }
    let mut palette = Vec::with_capacity(3 * (2 + HILLS));
    palette.extend(rgb(design.light));
    palette.extend(rgb(design.accents[4]));
    for hill in 0..HILLS {
        // Far hills are paler.
        let share = (hill + 1) as f64 / HILLS as f64;
        let (near, far) = (rgb(design.accents[0]), rgb(design.light));
        palette.extend((0..3).map(|at| {
            (f64::from(far[at]) + (f64::from(near[at]) - f64::from(far[at])) * share).round() as u8
        }));
    }
    Some(Picture {
        data: encoded(&image, palette)?,
        format: Format::Png,
        pixels: (WIDTH, HEIGHT),
        description: "Hills under a low sun: a drawing, since the request has no picture".into(),
    })
}

fn encoded(image: &[u8], palette: Vec<u8>) -> Option<Bytes> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(image).ok()?;
    writer.finish().ok()?;
    Some(bytes.into())
}

fn rgb(digits: &str) -> [u8; 3] {
    let number = u32::from_str_radix(digits, 16).unwrap_or(0);
    [(number >> 16) as u8, (number >> 8) as u8, number as u8]
}

/// The rectangle of a picture that is shown whole in the middle of another one.
pub fn within(rect: Rect, (width, height): (u32, u32)) -> Rect {
    let (wide, high) = (f64::from(rect.width), f64::from(rect.height));
    let scale = (wide / f64::from(width)).min(high / f64::from(height));
    let size = |pixels: u32, max: u32| ((f64::from(pixels) * scale) as u32).clamp(1, max.max(1));
    let (width, height) = (size(width, rect.width), size(height, rect.height));
    Rect { x: rect.x + (rect.width - width) / 2, y: rect.y + (rect.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_is_a_picture_and_the_same_each_time() {
        let design = super::super::design::of(0);
        let picture = drawn(&design, "seed").unwrap();
        assert_eq!(picture, drawn(&design, "seed").unwrap());
        assert_ne!(picture, drawn(&design, "another").unwrap());
        let again = sent(picture.data.to_vec()).unwrap();
        assert_eq!((again.format, again.pixels), (Format::Png, (WIDTH, HEIGHT)));
        assert!(picture.data.len() < 64 << 10, "{}", picture.data.len());
    }

    #[test]
    fn picture_of_other_bytes_is_refused() {
        for data in
            [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"RIFF....WEBPVP8 ", b"\xff\xd8\xff"]
        {
            assert_eq!(sent(data.to_vec()), None);
        }
    }

    #[test]
    fn picture_keeps_its_proportions() {
        let rect = Rect { x: 100, y: 100, width: 1000, height: 500 };
        assert_eq!(within(rect, (10, 10)), Rect { x: 350, y: 100, width: 500, height: 500 });
        assert_eq!(within(rect, (100, 1)), Rect { x: 100, y: 345, width: 1000, height: 10 });
        let thin = within(rect, (100_000, 1));
        assert!(thin.height >= 1);
    }
}
