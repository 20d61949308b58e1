"""How good a painting is: the article's loss, artefacts, steadiness. Needs torch."""
