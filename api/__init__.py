"""Easel over HTTP for other programs: its own API, and those of A1111 and OpenAI that clients already speak.

Imports run one way: ``ui -> api -> engine``. Everything goes through the queue and the journal that the page uses.
"""
