"""Rules that rewrite Swedish notes, by prompt: patterns and replacements, applied in order."""

REWRITES = {
    "encyclopedia": (
        (r"\s*\n\s*", " "),
        (r"\bTidigare sjukdomar: ", "Bland tidigare sjukdomar finns "),
        (r"\bÅlder: ", "Åldern är "),
        (r"\bsöker för\b", "kom till läkaren för"),
        (r"\bsöker på grund av\b", "kom till läkaren på grund av"),
        (r"\bläggs in för\b", "togs in på sjukhus för"),
        (r"\bInkommer\b", "Kom"),
        (r"\bUppger\b", "Säger sig ha"),
        (r"\bPatienten\b", "Den sjuke"),
        (r"\bpatienten\b", "den sjuke"),
        (r"\bInga kända allergier\b", "Inga allergier är kända"),
        (r"\bBlodtryck\b|\bBT\b", "Blodtrycket är"),
    ),
    "professional": (
        (r"\s*\n\s*", " "),
        (r"\bTidigare sjukdomar: ", "Anamnes: "),
        (r"\bsöker för\b", "konsulterar för"),
        (r"\bsöker på grund av\b", "konsulterar på grund av"),
        (r"\bläggs in för\b", "hospitaliseras för"),
        (r"\bUppger\b", "Anger"),
        (r"\bberättar om\b", "anger"),
        (r"\bInga kända allergier\b", "Ingen känd överkänslighet"),
        (r"\bfeber\b", "hypertermi"),
        (r"\bhosta\b", "tussis"),
    ),
}
