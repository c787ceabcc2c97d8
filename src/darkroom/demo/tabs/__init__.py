"""The tabs of the page: which controls they have, and which handlers these ask."""
