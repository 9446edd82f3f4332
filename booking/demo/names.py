"""Invented people of the demonstration."""

from __future__ import annotations

_GIVEN = """
    Aaliyah Aiko Alejandro Amara Amir Ana Anders Anjali Anthony Beatriz Benjamin Camila Carlos Charlotte Chidi
    Chloe Daniela David Deborah Diego Dmitri Dolores Ebony Eleanor Elif Emeka Emily Esther Fatima Felix Francesca
    Gabriel Giulia Grace Gustavo Hana Harold Hassan Helen Hiroshi Ibrahim Ines Ingrid Isaac Jamal James Jasmine
    Javier Jin Joan José Julia Kaito Karen Katarzyna Keisha Kenji Khadija Lakshmi Laura Leila Lin Linda Lucía Luis
    Magnus Malik Mara Margaret Mariam Mateo Mei Miguel Mina Mohammed Nadia Naomi Nathan Ngozi Nikhil Noor Olga Omar
    Pablo Patricia Pedro Peter Priya Rafael Rashid Rebecca Renée Rohan Rosa Ruth Samira Samuel Sana Santiago Sarah
    Sean Siobhan Sofía Stanisław Sunita Susan Tamika Teresa Thanh Thomas Tomoko Uma Valentina Victor Vikram Walter
    Wanjiru Xiomara Yara Yusuf Zainab Zoë
"""

_FAMILY = """
    Abdi Adeyemi Aguilar Ahmed Alvarez Andersson Bailey Banerjee Barnes Bauer Begum Bennett Bianchi Brown Campbell
    Castillo Chaudhry Chen Cho Clark Cohen Cruz Dasgupta Davis Delgado Desai Diaz Dubois Edwards Eriksen Evans
    Farah Fernandes Fischer Flores Foster Garcia Ghosh Gomez Gonzalez Green Gupta Gutierrez Haddad Hall Hassan
    Hernandez Hoang Hughes Hussain Ibrahim Ito Iyer Jackson Johnson Jones Kaplan Karimi Khan Kim Kowalski Kumar
    Larsen Lee Levy Lewis Lindgren Liu Lopez Mahmoud Martin Martinez Mbeki Mendoza Meyer Miller Mitchell Morales
    Moreau Murphy Mwangi Nakamura Nguyen Nowak Núñez Okafor Okonkwo Olsen Ortiz Park Patel Pereira Perez Petrov
    Pham Popescu Powell Quinn Rahman Ramirez Reyes Rivera Robinson Rodriguez Rossi Russell Sanchez Santos Sato
    Schmidt Shah Silva Singh Smith Sokolov Suzuki Takahashi Tanaka Taylor Thompson Torres Tran Turner Vargas Vega
    Walker Wang Washington Williams Wilson Wong Wright Yamamoto Yilmaz Young Zhang Zielinski
"""

GIVEN, FAMILY = tuple(_GIVEN.split()), tuple(_FAMILY.split())

NOTES = (
    "I use a cane and need a moment on the stairs.",
    "Please call, my e-mail is unreliable.",
    "My daughter drives me and may wait with me.",
    "I would rather lie on my side.",
    "Running five minutes late at the most, I come from work.",
    "I am hard of hearing; please speak up.",
    "A warm blanket would be lovely.",
)
