"""The embedded corpus: meanings drawn from a seeded grammar, said in German and in English.

`meaning` draws what a sentence says, `german` and `english` say it, `words` is the lexicon and
`corpus` draws whole splits. All of it is made for this project; no text is taken from elsewhere.
"""
