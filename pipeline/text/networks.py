"""Tags of AUTOMATIC1111's that load a network, such as `<lora:NAME:0.8>`: they are no words."""

import re

NETWORK = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>", re.IGNORECASE)
ANY_NETWORK = re.compile(r"<(\w+):([^<>]+)>")  # what AUTOMATIC1111 takes out, whatever it knows of it


def left_out(prompt: str, pattern: re.Pattern[str] = NETWORK) -> dict[int, int]:
    """Where each tag begins, and where it ends."""
    return {match.start(): match.end() for match in pattern.finditer(prompt)}


def remedy(tag: re.Match[str]) -> str:
    """What to do instead of a tag."""
    kind, (name, *numbers) = tag[1].lower(), tag[2].split(":")
    if kind == "hypernet":
        return "hypernetworks cannot be used here"
    if kind not in ("lora", "lyco"):
        return "it names nothing that can be used here"
    weight = f":{numbers[0].strip()[:20]}" if numbers else ""
    return f"to draw with it, give its file: --lora {name.strip()[:80] or 'FILE'}.safetensors{weight}"
