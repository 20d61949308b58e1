"""The changes of a session: each is a function from one session to the next, or returns one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from realtime.session.state import CHOOSING, COLORS, HUDS, NET_SCALES, NOT_LEARNING, VIEWS, Change, Session


def choose_style(index: int) -> Change:
    """Returns the change to the style of that index; if there is none, only a notice says so."""

    def change(session: Session) -> Session:
        if index >= len(session.style_names):
            return session.with_notice(f"no style {index + 1}: there are {len(session.style_names)}")
        if session.mixing:
            return _toggle_in_mix(session, index)
        chosen = replace(session, style_index=index, mix=(), original=False, automatic=False)
        return chosen.with_notice(session.style_names[index])

    return change


def choose_alone(name: str) -> Change:
    """Returns the change to that style alone, also while styles are being mixed."""

    def change(session: Session) -> Session:
        if name not in session.style_names:
            return session.with_notice(f"no style {name!r}")
        return choose_style(session.style_names.index(name))(replace(session, mixing=False))

    return change


def toggle_mixing(session: Session) -> Session:
    """While mixing is on, the keys of the styles add to the mix and take away from it."""
    if session.mixing:
        return replace(session, mixing=False, mix=()).with_notice(session.style_name)
    mix = session.mix or ((session.style_index, 1.0),)
    mixing = replace(session, mixing=True, mix=mix, original=False, automatic=False)
    return mixing.with_notice(f"mixing {' + '.join(session.weights)}: type the numbers of more styles")


def _toggle_in_mix(session: Session, index: int) -> Session:
    mix = dict(session.mix)
    if mix.pop(index, None) is None:
        # as much as the others have in the mean
        mix[index] = sum(mix.values()) / len(mix) if mix else 1.0
    if not mix:
        return session.with_notice(f"a mix needs a style; {session.key('mixing', 'x')} ends mixing")
    mixed = replace(_in_mix(session, mix), mix=tuple(sorted(mix.items())), original=False)
    return mixed.with_notice("mixing " + " + ".join(mixed.weights))


def _in_mix(session: Session, mix: Mapping[int, float]) -> Session:
    """Returns the session with a style of the mix as the one that is on: the heaviest, unless it is one already."""
    if session.style_index in mix:
        return session
    return replace(session, style_index=max(mix, key=lambda index: mix[index]))


def change_weights(weights: Mapping[str, float]) -> Change:
    """Returns the change of the weights of some styles in the mix; the weights of the others stay.

    Args:
        weights: by name; 0 takes a style out of the mix. They need not add up to 1.
    """

    def change(session: Session) -> Session:
        mix = dict(session.mix) or {session.style_index: 1.0}
        for name, weight in weights.items():
            if name not in session.style_names:
                return session.with_notice(f"no style {name!r}")
            mix[session.style_names.index(name)] = weight
        mix = {index: weight for index, weight in mix.items() if weight > 0}
        if not mix:
            return session.with_notice("a mix needs a style")
        session = _in_mix(session, mix)
        is_mix = len(mix) > 1 or session.mixing
        kept = tuple(sorted(mix.items())) if is_mix else ()
        return replace(session, mix=kept, original=False, automatic=False)

    return change


def step_style(step: int) -> Change:
    """Returns the change to the next (+1) or the previous (-1) style; the first follows the last."""

    def change(session: Session) -> Session:
        alone = replace(session, mixing=False, mix=())
        return choose_style((session.style_index + step) % len(session.style_names))(alone)

    return change


def toggle_original(session: Session) -> Session:
    original = not session.original
    return replace(session, original=original).with_notice("original" if original else session.style_name)


def step_strength(step: float) -> Change:
    """Returns the change to a stronger (step > 0) or weaker painting; strength stays in 0..1."""

    def change(session: Session) -> Session:
        return set_strength(min(1.0, max(0.0, round(session.strength + step, 2))))(session)

    return change


def set_strength(strength: float) -> Change:
    """Returns the change to that strength, 0..1."""
    return lambda session: replace(session, strength=strength).with_notice(f"strength {100 * strength:.0f} %")


def next_colors(session: Session) -> Session:
    """Steps through the colours that there are."""
    return set_colors(_after(session.colors, COLORS if session.color_picture else COLORS[:2]))(session)


def set_colors(colors: str) -> Change:
    """Returns the change to one of COLORS; without a picture that has any, only a notice says so."""

    def change(session: Session) -> Session:
        if colors == "picture" and not session.color_picture:
            return session.with_notice("no picture to take colours from; name one at the start: --colors PICTURE")
        whose = {"style": "the style's colours", "source": "the camera's colours"}
        return replace(session, colors=colors).with_notice(whose.get(colors, f"the colours of {session.color_picture}"))

    return change


def toggle_steady(session: Session) -> Session:
    steady = not session.steady
    text = f"steady {100 * session.steadiness:.0f} %" if steady else "steady off"
    return replace(session, steady=steady).with_notice(text)


def set_steadiness(steadiness: float) -> Change:
    """Returns the change to that steadiness, 0..1."""
    return lambda session: replace(session, steadiness=steadiness).with_notice(f"steady {100 * steadiness:.0f} %")


def toggle_mirrored(session: Session) -> Session:
    return replace(session, mirrored=not session.mirrored)


def toggle_automatic(session: Session) -> Session:
    automatic = not session.automatic
    text = "styles change by themselves" if automatic else "the style stays"
    return replace(session, automatic=automatic, mixing=False, mix=()).with_notice(text)


def set_fade(seconds: float) -> Change:
    """Returns the change to that many seconds from one style to another."""
    text = f"{seconds:.2g} s from style to style" if seconds else "styles change at once"
    return lambda session: replace(session, fade_s=seconds).with_notice(text)


def set_react(amount: float) -> Change:
    """Returns the change to how much the painting follows the sound, 0..1."""
    text = f"follows the sound by {100 * amount:.0f} %" if amount else "the sound changes nothing"
    return lambda session: replace(session, react=amount).with_notice(text)


def step_react(session: Session) -> Session:
    """Lets the painting follow the sound a quarter more; after all of it comes nothing."""
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    return set_react(next((step for step in steps if step > session.react), 0.0))(session)


def change_playlist(seconds: Mapping[str, float]) -> Change:
    """Returns the change of the seconds of some styles in the playlist; the others stay, and new ones come last.

    Args:
        seconds: by the names of styles; 0 takes one out.
    """

    def change(session: Session) -> Session:
        changed = {**dict(session.playlist), **seconds}
        playlist = tuple((name, each_s) for name, each_s in changed.items() if each_s > 0)
        if playlist == session.playlist:
            return session
        text = (
            f"the playlist has {len(playlist)} of {len(session.style_names)} styles"
            if playlist
            else "all styles in turn"
        )
        return replace(session, playlist=playlist).with_notice(text)

    return change


def toggle_recording(session: Session) -> Session:
    return replace(session, recording=not session.recording)


def toggle_on_air(session: Session) -> Session:
    return replace(session, on_air=not session.on_air).with_notice("off air" if session.on_air else "going on air")


def toggle_frozen(session: Session) -> Session:
    return replace(session, frozen=not session.frozen).with_notice("live" if session.frozen else "frozen")


def toggle_framing(session: Session) -> Session:
    framing = not session.framing
    text = f"{session.key('make_style', 'k')} makes a style of what is in the frame"
    return replace(session, framing=framing).with_notice(text if framing else "")


def toggle_muted(session: Session) -> Session:
    return replace(session, muted=not session.muted).with_notice("sound on" if session.muted else "sound off")


def next_hud(session: Session) -> Session:
    return replace(session, hud=_after(session.hud, HUDS))


def next_view(session: Session) -> Session:
    return set_view(_after(session.view, VIEWS))(session)


def set_view(view: str) -> Change:
    """Returns the change to one of VIEWS."""
    text = "split: drag the line with the mouse" if view == "split" else view
    return lambda session: replace(session, view=view).with_notice(text)


def set_hud(hud: str) -> Change:
    """Returns the change to one of HUDS."""
    return lambda session: replace(session, hud=hud)


def set_split(share: float) -> Change:
    """Returns the change of the split view's line to that share of the width, also where there is none yet."""
    return lambda session: replace(session, split=share)


def move_split(share: float) -> Change:
    """Returns the change of the split view's line to that share of the width; other views have no line."""

    def change(session: Session) -> Session:
        return replace(session, split=min(1.0, max(0.0, share))) if session.view == "split" else session

    return change


def toggle_fullscreen(session: Session) -> Session:
    return replace(session, fullscreen=not session.fullscreen)


def step_brush(step: int) -> Change:
    """Returns the change to a finer (+1) or a coarser (-1) brush."""

    def change(session: Session) -> Session:
        brushes = sorted({*NET_SCALES, session.given_brush})
        nearest = min(range(len(brushes)), key=lambda index: abs(brushes[index] - session.brush))
        return set_brush(brushes[min(len(brushes) - 1, max(0, nearest + step))])(session)

    return change


def set_brush(brush: float) -> Change:
    """Returns the change to that brush, SMALLEST_BRUSH..1."""

    def change(session: Session) -> Session:
        back = f", by hand ({session.key('reset_brush', 'g')}: back to {100 * session.given_brush:.0f} %)"
        back = "" if brush == session.given_brush else back
        return replace(session, brush=brush).with_notice(f"brush {100 * brush:.0f} %{back}")

    return change


def reset_brush(session: Session) -> Session:
    """Takes the brush of the start again."""
    return replace(session, brush=session.given_brush).with_notice(f"brush {100 * session.given_brush:.0f} %")


def set_learn(name: str) -> Change:
    """Returns the change to what the next knob or pad of a MIDI device will set; see `Session.learn`."""

    def change(session: Session) -> Session:
        end = session.key("learn", "j")
        texts = {
            NOT_LEARNING: "MIDI: nothing more is learned",
            CHOOSING: f"MIDI: press the key of a control, then move a knob or hit a pad; {end} ends",
        }
        text = texts.get(name, f"{name}: move a knob or hit a pad; {end} ends")
        return replace(session, learn=name).with_notice(text)

    return change


def toggle_learning(session: Session) -> Session:
    """Begins or ends to learn what the knobs and pads of MIDI devices do."""
    if not session.midi:
        return session.with_notice("there is no MIDI here: start with --midi")
    return set_learn(CHOOSING if session.learn == NOT_LEARNING else NOT_LEARNING)(session)


def toggle_help(session: Session) -> Session:
    return replace(session, help=not session.help)


def toggle_link(session: Session) -> Session:
    return replace(session, link=not session.link)


def quit_show(session: Session) -> Session:
    return replace(session, quitting=True)


def _after(current: str, choices: tuple[str, ...]) -> str:
    return choices[(choices.index(current) + 1) % len(choices)]
