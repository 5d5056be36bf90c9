"""Colours of the charts, on light and on dark paper.

Okabe and Ito's palette without its black, which the colour-blind can tell apart. Each colour is
darkened or lightened until it stands out from its paper by a contrast of 3 to 1 (WCAG 2.2, 1.4.11).
"""

LIGHT = ["#0072B2", "#D55E00", "#009E73", "#C2659B", "#BF8300", "#3895D3", "#8C6BB1"]
DARK = ["#5AB0F0", "#FF8A45", "#2BC394", "#EC9BCB", "#F0C04A", "#A5DFFA", "#B79DE2"]
GREY = "#888888"
"""On both."""
