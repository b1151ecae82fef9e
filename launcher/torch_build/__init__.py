"""Which build of PyTorch suits this computer: ``cards`` finds its graphics cards, ``choose`` has the table of builds."""
