"""Directions and traversals, on generators whose directions are known."""

import math

import pytest
import torch

from darkroom.sampling import Directions, Traversal, develop, labels_of, latents_of
from darkroom.sampling.directions import principal, response_of
from darkroom.sampling.found import Found
from tests.sampling.toys import Classed, Linear, no_images, orthonormal

SHAPE = (1, 4, 4)
STRENGTHS = torch.tensor([0.08, 0.06, 0.04, 0.02, 0.01])


@pytest.fixture
def linear():
    """A = U S V^T, with the right singular vectors as they are known."""
    turned = orthonormal(5, 5, seed=1)
    generator = Linear(orthonormal(16, 5) * STRENGTHS @ turned.T, SHAPE)
    generator.right = turned.T
    return generator


@pytest.mark.parametrize(("samples", "batch_size"), [(1, 64), (3, 4), (3, 1)])
def test_the_response_of_a_linear_generator_is_a_transposed_a(linear, samples, batch_size):
    expected = (linear.matrix.T @ linear.matrix).detach().double()
    torch.testing.assert_close(
        response_of(linear, samples, batch_size), expected, rtol=0, atol=1e-8
    )


def test_the_response_is_the_mean_over_the_seeds_of_what_happens_there():
    class Squares(Linear):
        def forward(self, latents, labels=None):
            return super().forward(latents.square())

    generator = Squares(0.1 * torch.eye(16), SHAPE)  # J(z) = 0.2 diag(z)
    expected = (0.2 * latents_of(range(7), 16).double()).square().mean(0)
    response = response_of(generator, 7)
    torch.testing.assert_close(response, torch.diag(expected), rtol=1e-3, atol=1e-5)


def test_directions_are_the_right_singular_vectors_and_the_strongest_come_first(linear):
    axes, values = principal(response_of(linear, 2))
    torch.testing.assert_close(values, STRENGTHS.double() ** 2, rtol=1e-4, atol=0)
    torch.testing.assert_close((axes @ linear.right.T).abs(), torch.eye(5), rtol=0, atol=1e-3)
    torch.testing.assert_close(axes @ axes.T, torch.eye(5), rtol=0, atol=1e-6)


def test_the_sign_of_a_direction_is_settled_by_its_largest_coordinate(linear):
    response = response_of(linear, 1)
    axes, _ = principal(response)
    assert torch.equal(axes.amax(1), axes.abs().amax(1))


def test_a_row_leads_through_the_image_of_its_seed_to_either_side(linear):
    draw = Directions(n=2, seeds=3, first_seed=7, steps=5, reach=2.0)
    sheet = draw(linear, no_images)
    axes, _ = principal(response_of(linear, draw.samples))
    expected = torch.stack(
        [
            z + offset * axis
            for axis in axes[:2]
            for z in latents_of([7, 8, 9], 5)
            for offset in (-2, -1, 0, 1, 2)
        ]
    )
    assert torch.equal(sheet.pixels, torch.cat(list(develop(linear, expected))))
    unmoved = torch.cat(list(develop(linear, latents_of([7, 8, 9], 5))))
    assert torch.equal(sheet.pixels[2::5], unmoved.repeat(2, 1, 1, 1))
    assert sheet.columns == 5
    assert sheet.names[5:7] == ("direction-000-seed-000008-000", "direction-000-seed-000008-001")
    assert sheet.names[-1] == "direction-001-seed-000009-004"
    assert len(set(sheet.names)) == len(sheet.pixels) == 2 * 3 * 5


def test_the_first_direction_moves_the_images_most(linear):
    sheet = Directions(n=5, seeds=1, steps=3, reach=4.0)(linear, no_images)
    left, _, right = (sheet.pixels.float() / 127.5)[:, 0].flatten(1).unflatten(0, (5, 3)).unbind(1)
    torch.testing.assert_close((right - left).norm(dim=1), 8 * STRENGTHS, rtol=0.1, atol=0.01)


def test_the_note_says_how_much_of_the_response_each_direction_has(linear):
    note = Directions(n=2, first=1, steps=2)(linear, no_images).note
    assert note == "share of the images' response, in %: 29.8, 13.2"  # 36, 16 of 121


@pytest.mark.parametrize("batch_size", [1, 7])
def test_directions_that_come_later_are_the_same_alone_and_in_any_batch_size(linear, batch_size):
    everything = Directions(n=5, seeds=2, steps=3)(linear, no_images)
    later = Directions(n=2, first=3, seeds=2, steps=3)(linear, no_images, batch_size)
    assert torch.equal(later.pixels, everything.pixels[-12:])
    assert later.names == everything.names[-12:]


def test_a_traversal_moves_single_latents_and_the_most_active_first():
    activity = torch.tensor([0.02, 0.0, 0.09, 0.05])
    generator = Linear(orthonormal(16, 4) * activity, SHAPE)
    sheet = Traversal(n=4, seeds=1, steps=2, reach=3.0)(generator, no_images)
    expected = [
        latents_of([0], 4)[0] + offset * torch.eye(4)[k] for k in (2, 3, 0, 1) for offset in (-3, 3)
    ]
    assert torch.equal(sheet.pixels, torch.cat(list(develop(generator, torch.stack(expected)))))
    assert sheet.note.endswith("73.6, 22.7, 3.6, 0.0")  # 81, 25, 4, 0 of 110


def test_a_generator_without_any_response_is_drawn_and_said_to_have_none():
    sheet = Traversal(n=2, seeds=1, steps=2)(Linear(torch.zeros(16, 3), SHAPE), no_images)
    assert sheet.note.endswith("0.0, 0.0")


# --- classes


@pytest.fixture
def classed():
    """Class y lights pixel y."""
    return Classed(0.01 * orthonormal(16, 3), SHAPE, 0.9 * torch.eye(16)[:4])


def classes_in(sheet):
    return sheet.pixels.flatten(1).argmax(1).tolist()


def test_an_image_keeps_its_class_on_its_way(classed):
    sheet = Directions(n=2, seeds=6, steps=3)(classed, no_images)
    assert classes_in(sheet) == labels_of(range(6), classed).repeat_interleave(3).tolist() * 2
    assert classes_in(Directions(n=1, seeds=2, steps=2, label=3)(classed, no_images)) == [3] * 4


# --- latents that were found


def found_in(folder, latent_dim, labels=None, n=3):
    latents = latents_of(range(500, 500 + n), latent_dim)
    names = tuple(f"{k:06d}" for k in range(n))
    Found(latents, labels, torch.full((n,), 20.0), names).write(folder)
    return latents


@pytest.mark.parametrize(
    ("first_seed", "places"), [(0, [0, 1]), (1, [1, 2]), (2, [2])], ids=lambda value: str(value)
)
def test_found_latents_are_edited_in_the_place_of_seeds(linear, first_seed, places, tmp_path):
    latents = found_in(tmp_path, 5)
    draw = Directions(n=1, seeds=2, first_seed=first_seed, steps=3, latents=str(tmp_path))
    sheet = draw(linear, no_images)
    assert torch.equal(sheet.pixels[1::3], torch.cat(list(develop(linear, latents[places]))))
    assert sheet.names[::3] == tuple(f"direction-000-{place:06d}-000" for place in places)


def test_found_latents_keep_their_classes_unless_one_is_asked_for(classed, tmp_path):
    found_in(tmp_path, 3, torch.tensor([3, 0, 2]))
    draw = {"n": 1, "seeds": 2, "first_seed": 1, "steps": 2, "latents": str(tmp_path)}
    assert classes_in(Directions(**draw)(classed, no_images)) == [0, 0, 2, 2]
    assert classes_in(Directions(**draw, label=1)(classed, no_images)) == [1] * 4


def test_latents_of_other_classes_or_none_are_refused(classed, linear, tmp_path):
    draw = Directions(n=1, latents=str(tmp_path))
    found_in(tmp_path, 3, torch.tensor([3, 4, 2]))
    with pytest.raises(ValueError, match="has the class 4, and this model draws classes 0 to 3"):
        draw(classed, no_images)
    found_in(tmp_path, 3)
    with pytest.raises(ValueError, match="has the class None, and this model draws"):
        draw(classed, no_images)
    found_in(tmp_path, 5, torch.tensor([3, 0, 2]))
    with pytest.raises(ValueError, match="this model was not told of any classes"):
        draw(linear, no_images)


@pytest.mark.parametrize("first_seed", [-1, -3, 3])
def test_a_place_beyond_the_found_latents_is_refused(linear, first_seed, tmp_path):
    found_in(tmp_path, 5)
    draw = Directions(n=1, first_seed=first_seed, latents=str(tmp_path))
    with pytest.raises(ValueError, match=rf"draw\.first_seed={first_seed}: .*holds 3 .* 0 to 2\."):
        draw(linear, no_images)


# --- what is refused


@pytest.mark.parametrize("kind", [Directions, Traversal])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, r"draw\.n=0: type a number from 1 on\."),
        ({"seeds": -2}, r"draw\.seeds=-2: type a number from 1 on\."),
        ({"samples": 0}, r"draw\.samples=0: type a number from 1 on\."),
        ({"steps": 1}, r"draw\.steps=1: type a number from 2 on\."),
        ({"first": -1}, r"draw\.first=-1: type a number from 0 on\."),
        ({"reach": 0.0}, r"draw\.reach=0\.0: type a positive number such as 3\."),
        ({"reach": math.nan}, r"draw\.reach=nan: type a positive number such as 3\."),
        ({"reach": math.inf}, r"draw\.reach=inf: type a positive number such as 3\."),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(kind, options, said):
    with pytest.raises(ValueError, match=said):
        kind(**options)


def test_more_directions_than_there_are_are_refused(linear):
    Directions(n=1, first=4, seeds=1, steps=2)(linear, no_images)
    with pytest.raises(ValueError, match=r"draw\.first=4 and draw\.n=2: .* have 5 directions"):
        Directions(n=2, first=4)(linear, no_images)
    with pytest.raises(ValueError, match="label=0: this model was not told of any classes"):
        Directions(n=1, label=0)(linear, no_images)
