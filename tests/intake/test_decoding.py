import struct
import sys
import time
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, features

from darkroom.intake import decoding
from darkroom.intake.decoding import decode

PICTURE = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)  # no two of its eight views agree
COLOURS = np.stack([PICTURE, 255 - PICTURE, PICTURE // 2], -1)
RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)
T = Image.Transpose
AS_STORED = {  # what to do to an upright picture, so that the orientation undoes it
    1: None,
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_90,
    7: T.TRANSVERSE,
    8: T.ROTATE_270,
}


def encoded(image, kind="PNG", **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(content, name="image.png", **options):
    """Mode and values of what comes out."""
    image = decode(content, name, **options).image
    return image.mode, np.asarray(image)


def png(width, height, depth, colour_type, scanlines):
    """A PNG file out of its chunks, for what Pillow cannot write."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = b"".join(b"\0" + line for line in scanlines)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    )


def photograph(height, width):
    """Slopes, waves and some noise, so that a JPEG of it is like those of cameras."""
    y, x = np.mgrid[:height, :width] / width
    waves = [np.sin(9 * x + 3 * y), np.cos(7 * y * x), x - y]
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    return (128 + 90 * np.stack(waves, -1) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("mode", "values"),
    [
        ("L", PICTURE),
        ("LA", np.stack([PICTURE, 255 - PICTURE], -1)),
        ("RGB", COLOURS),
        ("RGBA", np.concatenate([COLOURS, 255 - PICTURE[..., None]], -1)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TGA"])
def test_what_has_8_bits_comes_out_as_it_is(kind, mode, values):
    decoded = decode(encoded(values, kind), "image")
    assert decoded.image.mode == mode
    assert np.array_equal(decoded.image, values)
    assert decoded.facts == {
        "format": kind,
        "mode": mode,
        "width": 3,
        "height": 2,
        "highest": None,
        "animated": False,
    }


@pytest.mark.parametrize(
    ("kind", "options"), [("BMP", {}), ("PPM", {}), ("WEBP", {"lossless": True})]
)
def test_other_exact_formats_come_out_as_they_are(kind, options):
    mode, values = pixels(encoded(COLOURS, kind, **options), f"image.{kind.lower()}")
    assert mode == "RGB"
    assert np.array_equal(values, COLOURS)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_one_bit_becomes_black_and_white(kind):
    mode, values = pixels(encoded(Image.fromarray(PICTURE > 120), kind))
    assert mode == "L"
    assert values.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_a_palette_becomes_its_colours():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).convert("P")
    image.putpalette([1, 2, 3, 40, 50, 60, 7, 8, 9])
    mode, values = pixels(encoded(image))
    assert mode == "RGB"
    assert values.tolist() == [[[1, 2, 3], [40, 50, 60]], [[7, 8, 9], [40, 50, 60]]]


def test_a_palette_may_be_transparent_in_parts():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([1, 2, 3, 40, 50, 60, 7, 8, 9])
    mode, values = pixels(encoded(image, transparency=bytes([0, 128])))
    assert mode == "RGBA"
    assert values.tolist() == [[[1, 2, 3, 0], [40, 50, 60, 128], [7, 8, 9, 255]]]
    mode, values = pixels(encoded(image, transparency=1))
    assert mode == "RGBA"
    assert values[0, :, 3].tolist() == [255, 0, 255]


@pytest.mark.parametrize(
    ("values", "key", "mode", "alpha"),
    [
        (PICTURE, 150, "LA", [[255, 255, 255], [0, 255, 255]]),
        (COLOURS, (50, 205, 25), "RGBA", [[255, 0, 255], [255, 255, 255]]),
        (PICTURE > 120, 0, "LA", [[0, 0, 0], [255, 255, 255]]),
    ],
)
def test_one_value_may_stand_for_what_is_transparent(values, key, mode, alpha):
    found, decoded = pixels(encoded(values, transparency=key))
    assert found == mode
    assert decoded[..., -1].tolist() == alpha
    visible = decoded[..., -1] > 0
    colours = decoded[..., :-1].squeeze()
    expected = values * np.uint8(255) if values.dtype == bool else values
    assert np.array_equal(colours[visible], expected[visible])


@pytest.mark.parametrize(("mode", "channels"), [("LA", 2), ("RGBA", 4)])
def test_colours_hidden_under_full_transparency_are_kept(mode, channels):
    hidden = np.full((2, 3, channels), 77, np.uint8)
    hidden[..., -1] = 0
    assert np.array_equal(pixels(encoded(hidden))[1], hidden)


def test_16_bits_keep_their_range():
    decoded = decode(encoded(RAMP), "ramp.png")
    values = np.asarray(decoded.image)
    assert decoded.image.mode == "L"
    assert decoded.facts["highest"] == 65535
    assert np.array_equal(values, (RAMP.astype(int) + 128) // 257)
    assert len(np.unique(values)) == 256


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bits_come_in_both_byte_orders(order):
    content = encoded(RAMP[100:103, :200].astype(f"{order}u2"), "TIFF")
    assert content[:2] == {"<": b"II", ">": b"MM"}[order]
    decoded = decode(content, "ramp.tif")
    assert np.array_equal(decoded.image, (RAMP[100:103, :200].astype(int) + 128) // 257)
    assert decoded.facts["highest"] == RAMP[102, 199]


@pytest.mark.parametrize(("highest", "values"), [(65535, [0, 128, 255]), (4095, [0, 128, 255])])
def test_a_pgm_of_more_than_8_bits_keeps_its_range(highest, values):
    header = f"P5 3 1 {highest}\n".encode()
    content = header + struct.pack(">3H", 0, (highest + 1) // 2, highest)
    assert pixels(content, "ramp.pgm")[1].tolist() == [values]
    assert pixels(header + struct.pack(">3H", 0, 0, highest // 5), "dark.pgm")[1].max() == 51


def test_12_bits_in_16_are_dark_unless_percentiles_are_asked_for():
    ramp = RAMP.reshape(-1)[:4096].reshape(64, 64)
    assert pixels(encoded(ramp))[1].max() == 16
    values = pixels(encoded(ramp), value_range="percentile")[1]
    low, high = 0.005 * 4095, 0.995 * 4095
    expected = (255 * (ramp - low) / (high - low)).clip(0, 255)
    assert np.abs(values - expected).max() <= 0.5
    assert (values.min(), values.max()) == (0, 255)
    assert (values == 0).sum() >= 20  # half a per cent


def test_percentiles_leave_8_bits_alone():
    assert np.array_equal(pixels(encoded(PICTURE + 3), value_range="percentile")[1], PICTURE + 3)


def test_floats_within_0_and_1_are_mapped_as_they_are():
    floats = np.array([[0.25, 0.5, 0.75]], np.float32)
    assert pixels(encoded(floats, "TIFF"), "f.tif")[1].tolist() == [[64, 128, 191]]


@pytest.mark.filterwarnings("error")  # NumPy's, of 0 / 0
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_numbers_are_mapped_from_their_lowest_to_their_highest(dtype):
    numbers = np.array([[-100, 0, 50, 100]], dtype)
    decoded = decode(encoded(numbers, "TIFF"), "n.tif")
    assert np.asarray(decoded.image).tolist() == [[0, 128, 191, 255]]
    assert decoded.facts["highest"] == 100
    assert pixels(encoded(np.full((2, 2), 7, dtype), "TIFF"), "n.tif")[1].max() == 0
    assert pixels(encoded(np.array([[-1, 0, 1]], dtype), "TIFF"), "n.tif")[1].tolist() == [
        [0, 128, 255]
    ]


@pytest.mark.promise("an image holds NaN or infinity", "it is refused")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("value_range", ["full", "percentile"])
def test_what_is_no_number_is_refused(value, value_range):
    floats = np.array([[0.5, value]], np.float32)
    with pytest.raises(ValueError, match="it holds NaN or infinity"):
        decode(encoded(floats, "TIFF"), "f.tif", value_range)


def test_a_png_of_three_times_16_bits_gives_the_high_bytes():
    values = np.array([[[0, 0x01FF, 0xFFFF], [0x7F80, 0x8000, 0xFE00]]], np.uint16)
    content = png(2, 1, 16, 2, [values[0].astype(">u2").tobytes()])
    mode, decoded = pixels(content)
    assert mode == "RGB"
    assert np.array_equal(decoded, values >> 8)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 99, [99]),
        ("RGB", (200, 30, 90), [200, 30, 90]),
        ("CMYK", (0, 255, 255, 0), [255, 0, 0]),
    ],
)
def test_a_jpeg_is_near_what_it_was_made_of(mode, colour, expected):
    decoded = decode(encoded(Image.new(mode, (24, 16), colour), "JPEG"), "image.jpg")
    assert decoded.image.mode == ("L" if mode == "L" else "RGB")
    assert decoded.facts["mode"] == mode
    values = np.asarray(decoded.image).reshape(16, 24, -1)
    assert np.abs(values - np.array(expected, int)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "exact"), [("JPEG", False), ("PNG", True), ("TIFF", True), ("WEBP", True)]
)
def test_pictures_of_every_orientation_come_out_upright(kind, exact, orientation):
    upright = Image.fromarray(np.kron(COLOURS, np.ones((16, 16, 1), np.uint8)))
    way = AS_STORED[orientation]
    stored = upright if way is None else upright.transpose(way)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }.get(kind, {})
    content = encoded(stored, kind, exif=exif, **options)
    decoded = decode(content, "photo")
    difference = np.asarray(decoded.image).astype(int) - np.asarray(upright)
    assert np.abs(difference).max() <= (0 if exact else 4)
    assert (decoded.facts["width"], decoded.facts["height"]) == upright.size == (48, 32)


def test_16_bits_are_turned_upright_too():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.fromarray(PICTURE.astype(np.uint16) * 257).transpose(T.ROTATE_90)
    decoded = decode(encoded(stored, exif=exif), "scan.png")
    assert np.array_equal(decoded.image, PICTURE)
    assert (decoded.facts["width"], decoded.facts["height"]) == (3, 2)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_and_no_difference_is_seen(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encoded(photograph(900, 1200), "JPEG", quality=90, exif=exif)
    full, draft = decode(content, "a.jpg"), decode(content, "a.jpg", smallest=64)
    assert sorted(draft.image.size) == [225, 300]  # a quarter; an eighth would be below 3 * 64
    assert draft.facts == full.facts
    assert (full.facts["width"], full.facts["height"]) == full.image.size
    small, expected = (
        np.asarray(one.image.resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
        for one in (draft, full)
    )
    assert np.abs(small - expected).max() <= 3
    assert np.abs(small - expected).mean() < 0.5


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_no_jpeg_is_never_decoded_smaller(kind):
    content = encoded(photograph(90, 120), kind)
    assert decode(content, "a", smallest=4).image.size == (120, 90)


def test_a_small_jpeg_is_not_decoded_smaller():
    content = encoded(photograph(60, 120), "JPEG")
    assert decode(content, "a.jpg", smallest=11).image.size == (120, 60)
    assert decode(content, "a.jpg", smallest=10).image.size == (60, 30)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_taken(kind):
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    decoded = decode(content, "film")
    assert decoded.facts["animated"] is True
    assert (np.asarray(decoded.image.convert("RGB")) == (255, 0, 0)).all()
    assert decode(encoded(frames[0], kind), "still").facts["animated"] is False


def test_a_transparent_gif_stays_so():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([9, 9, 9, 200, 100, 50])
    mode, values = pixels(encoded(image, "GIF", transparency=0), "sprite.gif")
    assert mode == "RGBA"
    assert values[0, 0, 3] == 0
    assert values[0, 1].tolist() == [200, 100, 50, 255]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read():
    mode, values = pixels(encoded(Image.new("RGB", (16, 8), (200, 30, 90)), "AVIF"), "a.avif")
    assert mode == "RGB"
    assert values.shape == (8, 16, 3)
    assert np.abs(values - np.array([200, 30, 90])).max() <= 4


def test_a_wrong_ending_does_no_harm():
    assert np.array_equal(pixels(encoded(COLOURS), "photo.jpg")[1], COLOURS)
    assert decode(encoded(COLOURS, "JPEG"), "photo.png").facts["format"] == "JPEG"


@pytest.mark.promise(
    "an image file is cut off, in each format",
    "it is refused: no half of a picture is trained on",
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "TGA"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_image_is_refused(kind, share):
    content = encoded(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8), kind)
    with pytest.raises(Exception, match=r"\w+ \w+") as error:
        decode(content[: int(share * len(content))], "cut")
    assert "0x" not in str(error.value)  # no address in memory


@pytest.mark.promise("a byte of a PNG's pixels is flipped", "its checksum refuses it")
def test_pixels_that_fail_their_checksum_are_refused():
    content = bytearray(encoded(photograph(40, 40)))
    content[content.index(b"IDAT") + 40] ^= 1
    with pytest.raises(Exception, match=r"\w+"):
        decode(bytes(content), "a.png")


@pytest.mark.parametrize("content", [b"", b"\0", b"no image", b"\x89PNG\r\n\x1a\n", bytes(5000)])
def test_what_is_no_image_is_refused_in_words_that_are_always_the_same(content):
    with pytest.raises(ValueError, match=r"it is no whole image of a known kind: PNG, JPEG, "):
        decode(content, "text.png")


@pytest.mark.promise(
    "PostScript, which is a program, is given as an image",
    "it is no known kind of image, and nothing runs",
)
def test_code_is_never_run():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 3 3\n%%EndComments\nshowpage\n"
    with pytest.raises(ValueError, match="it is no whole image of a known kind"):
        decode(eps, "image.png")  # Pillow would hand it to Ghostscript


@pytest.mark.promise(
    "an image of a few kB unpacks to gigabytes",
    "it is refused by its size before it is decoded",
)
@pytest.mark.parametrize("side", [9500, 14_000])  # Pillow has a limit of its own in between
def test_a_decompression_bomb_is_refused_before_it_goes_off(side, monkeypatch):
    content = png(side, side, 1, 0, [bytes((side + 7) // 8)] * side)
    assert len(content) < 50_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    start = time.perf_counter()
    with pytest.raises(Exception, match="decompression bomb"):
        decode(content, "bomb.png")
    assert time.perf_counter() - start < 1


def test_the_limit_is_a_number_of_pixels(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 6)
    assert np.array_equal(pixels(encoded(PICTURE))[1], PICTURE)
    with pytest.raises(ValueError, match="1x7 pixels are taken for a decompression bomb; 6 are"):
        decode(encoded(np.zeros((7, 1), np.uint8)), "a.png")


# DICOM


def dicom(values, photometric="MONOCHROME2", **elements):
    """A DICOM file of these stored values."""
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    bits = values.dtype.itemsize * 8
    colours = photometric == "RGB"
    described = {
        "Rows": values.shape[-3 if colours else -2],
        "Columns": values.shape[-2 if colours else -1],
        "SamplesPerPixel": 3 if colours else 1,
        "PhotometricInterpretation": photometric,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        "PixelData": values.tobytes(),
    }
    for name, value in (described | elements).items():
        setattr(dataset, name, value)
    file = BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def windowed(values, centre, width):
    """PS3.3 C.11.2.1.2.1, with its three cases and its letters, for an output of 0 to 255."""
    x = values.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255
    y = np.where(x <= centre - 0.5 - (width - 1) / 2, 0, y)
    return np.where(x > centre - 0.5 + (width - 1) / 2, 255, y).round()


HOUNSFIELD = np.arange(-1024, 1024, 2, dtype=np.int16).reshape(32, 32)


def test_a_dicom_file_is_known_by_its_ending_or_its_magic():
    content = dicom(HOUNSFIELD[:20])
    decoded = decode(content, "IM0001")
    assert decoded.image.size == (32, 20)
    assert decoded.facts == {
        "format": "DICOM",
        "mode": "MONOCHROME2",
        "width": 32,
        "height": 20,
        "highest": HOUNSFIELD[19, 31],
        "animated": False,
    }
    with pytest.raises(ValueError, match="this DICOM file holds no image"):
        decode(b"no DICOM", "a.dcm")


def test_a_dicom_file_without_a_window_spans_its_own_range():
    expected = (255 * (HOUNSFIELD + 1024.0) / 2046).round()
    assert np.array_equal(pixels(dicom(HOUNSFIELD))[1], expected)


@pytest.mark.parametrize("window", [(40.0, 400.0), (-600.0, 1500.0), (0.5, 2.0), (0.0, 1.0)])
def test_a_window_of_a_dicom_file_is_that_of_the_standard(window):
    expected = windowed(HOUNSFIELD, *window)
    named = dicom(HOUNSFIELD, WindowCenter=window[0], WindowWidth=window[1])
    assert np.array_equal(pixels(named)[1], expected)
    assert np.array_equal(pixels(dicom(HOUNSFIELD), window=window)[1], expected)
    others = dicom(HOUNSFIELD, WindowCenter=7, WindowWidth=70)
    assert np.array_equal(pixels(others, window=window)[1], expected)


def test_of_several_windows_the_first_is_taken():
    content = dicom(HOUNSFIELD, WindowCenter=[40, 0], WindowWidth=[400, 10])
    assert np.array_equal(pixels(content)[1], windowed(HOUNSFIELD, 40, 400))


@pytest.mark.parametrize(
    "elements", [{"WindowCenter": None, "WindowWidth": None}, {"WindowCenter": 5}]
)
def test_a_window_that_is_empty_is_none(elements):
    assert np.array_equal(pixels(dicom(HOUNSFIELD, **elements))[1], pixels(dicom(HOUNSFIELD))[1])


def test_a_window_is_in_the_units_of_the_file():
    stored = (np.arange(1024, dtype=np.uint16)).reshape(32, 32)
    content = dicom(stored, RescaleSlope=2, RescaleIntercept=-1024)
    assert np.array_equal(pixels(content, window=(40.0, 400.0))[1], windowed(HOUNSFIELD, 40, 400))


@pytest.mark.parametrize("window", [None, (40.0, 400.0)])
def test_where_the_lowest_value_is_white_the_image_is_inverted(window):
    positive = pixels(dicom(HOUNSFIELD), window=window)[1]
    negative = pixels(dicom(HOUNSFIELD, "MONOCHROME1"), window=window)[1]
    assert np.abs(255 - positive.astype(int) - negative).max() <= (window is None)
    assert (negative[0, 0], negative[-1, -1]) == (255, 0)


def test_a_dicom_file_may_have_colours():
    decoded = decode(dicom(np.repeat(COLOURS, 2, 1), "RGB", PlanarConfiguration=0), "a.dcm")
    assert decoded.image.mode == "RGB"
    assert np.array_equal(decoded.image, np.repeat(COLOURS, 2, 1))
    assert (decoded.facts["highest"], decoded.facts["mode"]) == (None, "RGB")


def test_of_several_frames_of_a_dicom_file_the_first_is_taken():
    frames = np.stack([HOUNSFIELD, HOUNSFIELD[::-1]])
    decoded = decode(dicom(frames, NumberOfFrames=2), "a.dcm")
    assert np.array_equal(decoded.image, pixels(dicom(HOUNSFIELD))[1])
    assert decoded.facts["animated"] is True


@pytest.mark.promise(
    "a DICOM file has more pixels than any memory should hold",
    "it is refused before it is decoded",
)
def test_a_huge_dicom_file_is_refused(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    with pytest.raises(ValueError, match="32x32 pixels are more than 1,000"):
        decode(dicom(HOUNSFIELD), "a.dcm")


def test_without_pydicom_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ValueError, match=r"DICOM needs pydicom: pip install -e '\.\[medical\]'"):
        decode(b"", "a.dcm")


@pytest.mark.filterwarnings("ignore")
def test_every_file_of_pydicom_is_decoded_or_refused_in_words():
    folder = Path(pytest.importorskip("pydicom").__file__).parent / "data" / "test_files"
    refused = {}
    files = sorted(folder.glob("*.dcm"))
    for path in files:
        try:
            decoded = decode(path.read_bytes(), path.name)
        except Exception as error:
            refused[path.name] = str(error)
        else:
            assert decoded.image.mode in ("L", "RGB")
            facts = decoded.facts
            assert decoded.image.size == (facts["width"], facts["height"])
            assert np.ptp(np.asarray(decoded.image)) > 30, path.name
    assert len(files) - len(refused) >= 40
    for name, text in refused.items():
        assert len(text) > 20, name
        assert ": (" not in text, name  # that sentence would go on
        assert "0x7" not in text, name
    for name in ("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "examples_palette.dcm"):
        assert name not in refused
    assert "no image" in refused["rtplan.dcm"]
    assert "less than expected" in refused["MR_truncated.dcm"]


@pytest.mark.filterwarnings("ignore")
def test_a_compressed_dicom_file_gives_what_the_plain_one_does():
    folder = Path(pytest.importorskip("pydicom").__file__).parent / "data" / "test_files"
    plain = pixels((folder / "MR_small.dcm").read_bytes())[1]
    assert len(np.unique(plain)) > 100
    for name in ("MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_padded"):
        assert np.array_equal(pixels((folder / f"{name}.dcm").read_bytes(), "a.dcm")[1], plain)


def test_a_window_is_not_stretched_once_more():
    content = dicom(np.array([[0, 100, 200, 300]], np.uint16))
    shown = [decode(content, "x.dcm", how, (150, 301)) for how in ("full", "percentile")]
    assert (np.asarray(shown[0].image) == np.asarray(shown[1].image)).all()


def test_a_dicom_of_8_bits_is_taken_as_it_is():
    values = np.array([[10, 100, 200]], np.uint8)
    assert (np.asarray(decode(dicom(values), "x.dcm").image) == values).all()
